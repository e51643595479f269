package io.lockstep.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compiles and runs what the README shows, as whoever copies it does. */
class ReadmeTest {
    @Test
    void theReadmeDoesWhatItSays(@TempDir Path folder) throws Exception {
        Matcher block = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(Path.of("README.md")));
        assertTrue(block.find());
        String code = block.group(1);
        assertTrue(code.lines().count() <= 20, "the example has more than 20 lines");
        try (Broker broker = new Broker()) {
            broker.topic("bank", "conflict.policy=required");
            Path source = folder.resolve("Example.java");
            Files.writeString(source, "import io.lockstep.client.*;\nimport java.util.*;\nclass Example {\n"
                + "public static void main(String[] args) {\n" + code.replace("localhost:9092", broker.address) + "}\n}\n");
            String path = System.getProperty("java.class.path");
            assertEquals(0, ToolProvider.getSystemJavaCompiler().run(null, null, null, "-cp", path, "-d", folder.toString(),
                source.toString()));
            Process p = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                path + ":" + folder, "Example").redirectError(ProcessBuilder.Redirect.INHERIT).start();
            List<String> said = new String(p.getInputStream().readAllBytes()).lines().toList();
            assertEquals(0, p.waitFor());
            assertEquals(List.of("refused: alice was written at offset 0", "transferred at offset 1"), said);
        }
    }
}
