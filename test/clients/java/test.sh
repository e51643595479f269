printf 'version\tok\t%s\n' "$(basename "$CACHE"/jars/kafka-clients-*.jar .jar | sed 's/kafka-clients-//')"
javac -cp "$CACHE/jars/*" -d "$CACHE/classes" java/Features.java && exec java -cp "$CACHE/jars/*:$CACHE/classes" Features
