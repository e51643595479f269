. ./need.sh
need javac openjdk-17-jdk-headless
need mvn maven
jars() {
  rm -rf "$CACHE/jars"
  mvn -q -B -f java/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory="$CACHE/jars"
}
once java/pom.xml jars
