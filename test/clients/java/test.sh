set -e
. ./groups.sh
printf 'version\tok\t%s\n' "$(basename "$CACHE"/jars/kafka-clients-*.jar .jar | sed 's/kafka-clients-//')"
javac -cp "$CACHE/jars/*" -d "$CACHE/classes" java/Features.java java/Member.java || exit 1
java -cp "$CACHE/jars/*:$CACHE/classes" Features
member=(java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx128m -cp "$CACHE/jars/*:$CACHE/classes" Member)
group group java-group "${member[@]}" classic
group group-848 java-group-848 "${member[@]}" consumer
