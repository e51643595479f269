set -e
. ./drops.sh
. ./groups.sh
printf 'version\tok\t%s\n' "$(basename "$CACHE"/jars/kafka-clients-*.jar .jar | sed 's/kafka-clients-//')"
javac -cp "$CACHE/jars/*" -d "$CACHE/classes" java/*.java || exit 1
java -cp "$CACHE/jars/*:$CACHE/classes" Features
small=(java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx128m -cp "$CACHE/jars/*:$CACHE/classes")
drops java-drops "${small[@]}" Drops
made_again java-again "${small[@]}" Drops
group group java-group "${small[@]}" Member classic
group group-848 java-group-848 "${small[@]}" Member consumer
