// SPDX-License-Identifier: BSD-3-Clause
package interop;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;

/** JSON as the other peers write it: exact integers, vector<byte> as an array of signed numbers. */
final class Json {
    static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

    private Json() {
    }
}
