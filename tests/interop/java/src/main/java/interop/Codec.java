// SPDX-License-Identifier: BSD-3-Clause
package interop;

import com.qq.tars.protocol.tars.TarsInputStream;
import com.qq.tars.protocol.tars.TarsOutputStream;
import gen.interop.AllTypes;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** AllTypes between JSON and bytes with TarsJava, one value a line: Codec encode|decode. */
public final class Codec {
    private Codec() {
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        BufferedReader in =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine())
            if (!line.isEmpty()) out.println(args[0].equals("encode") ? encode(line) : decode(line));
        out.flush();
        System.exit(0);
    }

    private static String encode(String json) {
        TarsOutputStream os = new TarsOutputStream();
        os.setServerEncoding("UTF-8");
        Json.GSON.fromJson(json, AllTypes.class).writeTo(os);
        StringBuilder hex = new StringBuilder();
        for (byte b : os.toByteArray()) hex.append(String.format("%02x", b & 255));
        return hex.toString();
    }

    private static String decode(String hex) {
        byte[] bytes = new byte[hex.length() / 2];
        for (int i = 0; i < bytes.length; i++)
            bytes[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        TarsInputStream is = new TarsInputStream(bytes);
        is.setServerEncoding("UTF-8");
        AllTypes value = new AllTypes();
        value.readFrom(is);
        return Json.GSON.toJson(value);
    }
}
