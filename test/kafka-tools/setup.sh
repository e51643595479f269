# Installs what run.sh needs, or prints why it cannot and exits 3.
. ../clients/need.sh
need python3 python3
need javac openjdk-17-jdk-headless
need mvn maven

jars() {
  rm -rf "$CACHE/jars"
  timeout 600 mvn -q -B -f pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$CACHE/jars"
}
once pom.xml jars
