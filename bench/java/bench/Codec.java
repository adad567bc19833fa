// SPDX-License-Identifier: BSD-3-Clause
package bench;

import com.qq.tars.protocol.tars.TarsInputStream;
import com.qq.tars.protocol.tars.TarsOutputStream;
import gen.bench.Answer;
import gen.bench.Crowd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * Codec FOLDER: reads and writes the bodies in FOLDER (made by bench/codec) with TarsJava's codec,
 * warmed up first, and prints "NAME decode NS encode NS" for each.
 */
public final class Codec {
    private static final int RUNS = 7;
    private static final long RUN_NS = 200_000_000L;
    /** Keeps the compiler from leaving the work out. */
    private static int sink;

    private interface Body {
        Object decode(byte[] bytes);

        byte[] encode(Object value);
    }

    private static final Body REPLY = new Body() {
        @Override
        public Object decode(byte[] bytes) {
            Answer answer = new Answer();
            answer.readFrom(new TarsInputStream(bytes));
            return answer;
        }

        @Override
        public byte[] encode(Object value) {
            TarsOutputStream os = new TarsOutputStream(1024);
            ((Answer) value).writeTo(os);
            return os.toByteArray();
        }
    };

    private static final Body CROWD = new Body() {
        @Override
        public Object decode(byte[] bytes) {
            Crowd crowd = new Crowd();
            crowd.readFrom(new TarsInputStream(bytes));
            return crowd;
        }

        @Override
        public byte[] encode(Object value) {
            TarsOutputStream os = new TarsOutputStream(256 * 1024);
            ((Crowd) value).writeTo(os);
            return os.toByteArray();
        }
    };

    private Codec() {
    }

    public static void main(String[] args) throws IOException {
        measure(args[0], "reply", REPLY);
        measure(args[0], "crowd", CROWD);
        System.exit(sink == 42 ? 1 : 0);
    }

    private static void measure(String folder, String name, Body body) throws IOException {
        byte[] bytes = Files.readAllBytes(Paths.get(folder, name + ".body"));
        Object value = body.decode(bytes);
        if (!Arrays.equals(bytes, body.encode(value)))
            throw new IllegalStateException(name + ": other bytes than ours");
        List<Double> decode = new ArrayList<>();
        List<Double> encode = new ArrayList<>();
        for (int i = 0; i < RUNS + 5; i++) {
            double d = run(() -> sink += System.identityHashCode(body.decode(bytes)));
            double e = run(() -> sink += body.encode(value).length);
            if (i < 5) continue; // warming up
            decode.add(d);
            encode.add(e);
        }
        System.out.printf("%s decode %.0f encode %.0f%n", name, median(decode), median(encode));
    }

    private static double run(Runnable once) {
        long count = 0;
        long begin = System.nanoTime();
        long now;
        do {
            for (int i = 0; i < 16; i++) once.run();
            count += 16;
            now = System.nanoTime();
        } while (now - begin < RUN_NS);
        return (double) (now - begin) / count;
    }

    private static double median(List<Double> values) {
        Collections.sort(values);
        return values.get(values.size() / 2);
    }
}
