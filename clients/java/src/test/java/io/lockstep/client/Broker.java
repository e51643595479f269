package io.lockstep.client;

import java.io.File;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A real broker, as a process of its own that can be killed and started again on its data and its ports. */
final class Broker implements AutoCloseable {
    static final String BINARY = System.getenv().getOrDefault("LOCKSTEP_BINARY", "../../bin/lockstep");

    final String address;
    private final String http;
    private final Path folder;
    private Process process;

    Broker() throws Exception {
        folder = Files.createTempDirectory("lockstep-java");
        address = "127.0.0.1:" + freePort();
        http = "127.0.0.1:" + freePort();
        start();
    }

    private static int freePort() throws IOException {
        try (ServerSocket s = new ServerSocket(0)) {
            return s.getLocalPort();
        }
    }

    Map<String, Object> config() {
        return Map.of("bootstrap.servers", address);
    }

    void start() throws Exception {
        File log = folder.resolve("broker.log").toFile();
        process = new ProcessBuilder(BINARY, "serve", "--data-dir", folder.resolve("data").toString(), "--listen", address,
            "--http", http).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.appendTo(log)).start();
        for (int i = 0; i < 600 && !ready(); i++) {
            if (!process.isAlive()) {
                throw new IllegalStateException(Files.readString(log.toPath()));
            }
            Thread.sleep(50);
        }
    }

    private boolean ready() throws InterruptedException {
        try {
            HttpRequest ask = HttpRequest.newBuilder(URI.create("http://" + http + "/v1/status/ready")).timeout(Duration.ofSeconds(1))
                .build();
            return HttpClient.newHttpClient().send(ask, HttpResponse.BodyHandlers.discarding()).statusCode() == 200;
        } catch (IOException e) {
            return false;
        }
    }

    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    String topic(String name, String... settings) throws Exception {
        List<String> args = new ArrayList<>(List.of("topic", "create", name));
        for (String s : settings) {
            args.addAll(List.of("--config", s));
        }
        run(args.toArray(String[]::new));
        return name;
    }

    String run(String... args) throws Exception {
        List<String> command = new ArrayList<>(List.of(BINARY));
        command.addAll(List.of(args));
        command.addAll(List.of("--brokers", address, "--http", http));
        Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
        String out = new String(p.getInputStream().readAllBytes());
        if (p.waitFor() != 0) {
            throw new IllegalStateException(command + ": " + out);
        }
        return out;
    }

    @Override
    public void close() throws Exception {
        kill();
        try (var all = Files.walk(folder)) {
            all.sorted(java.util.Comparator.reverseOrder()).forEach(p -> p.toFile().delete());
        }
    }
}
