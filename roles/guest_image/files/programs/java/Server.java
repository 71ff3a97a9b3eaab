// SPDX-License-Identifier: GPL-2.0-or-later
// At each line on stdin: fills 5/8 of its heap with pieces of 32 KiB, replaced at random, and keeps an eighth of them.
import java.util.*;
class Server {
    static byte[][] held;
    public static void main(String[] given) {
        var random = new Random(Long.parseLong(given[1]));
        for (var lines = new Scanner(System.in); lines.hasNextLine(); lines.nextLine()) {
            held = new byte[20 * Integer.parseInt(given[0])][];
            var took = new long[2 * held.length];
            for (int i = 0; i < took.length; i++) {
                took[i] = -System.nanoTime();
                random.nextBytes(held[random.nextInt(held.length)] = new byte[32768]);
                took[i] += System.nanoTime();
            }
            double seconds = Arrays.stream(took).sum() / 1e9;
            Arrays.sort(took);
            System.out.printf(Locale.ROOT, "{\"work\": %.3f, \"seconds\": %.6f, \"p50_ms\": %.6f, \"p99_ms\": %.6f, \"p999_ms\": %.6f}%n",
                took.length / 32.0, seconds, ms(took, 0.5), ms(took, 0.99), ms(took, 0.999));
            held = Arrays.copyOf(held, held.length / 8);
        }
    }
    static double ms(long[] sorted, double share) { return sorted[(int) Math.ceil(share * sorted.length) - 1] / 1e6; }
}
