// SPDX-License-Identifier: BSD-3-Clause
package interop;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.qq.tars.client.Communicator;
import com.qq.tars.client.CommunicatorConfig;
import com.qq.tars.client.CommunicatorFactory;
import com.qq.tars.common.support.Holder;
import com.qq.tars.protocol.tars.annotation.TarsHolder;
import com.qq.tars.protocol.tars.annotation.TarsMethodParameter;
import gen.interop.TypesPrx;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.annotation.Annotation;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;

/**
 * A TarsJava client for AllTypes.tars: Client OBJECT [LOCATOR [DATAPATH]]. Reads "FUNCTION {arguments
 * as JSON}" from standard input, one call a line, and prints one line {"ret":…,"out":{…}} or
 * {"error":CODE,"message":"…"} for each. ":timeout 500" and ":object NAME" change what follows.
 */
public final class Client {
    private final String locator;
    private final String data;
    private String object;
    private int timeout = 3000;
    private TypesPrx proxy;

    private Client(String object, String locator, String data) {
        this.object = object;
        this.locator = locator;
        this.data = data;
    }

    public static void main(String[] args) throws Exception {
        // The SDK prints to System.out, too: only answers may go there.
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        System.setOut(System.err);
        Client client = new Client(args[0], args.length > 1 && !args[1].isEmpty() ? args[1] : null,
                                   args.length > 2 ? args[2] : null);
        BufferedReader in =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (line.startsWith(":")) client.set(line.substring(1).split(" ", 2));
            else out.println(Json.GSON.toJson(client.call(line)));
        }
        System.exit(0);
    }

    private void set(String[] setting) {
        if (setting[0].equals("timeout")) timeout = Integer.parseInt(setting[1]);
        if (setting[0].equals("object")) object = setting[1];
        proxy = null;
    }

    /** A communicator keeps one proxy per object with the timeout it had at first: one for each. */
    private Communicator communicator() {
        CommunicatorConfig config = new CommunicatorConfig();
        config.setModuleName("Interop.JavaClient" + timeout);
        config.setSyncInvokeTimeout(timeout);
        config.setRefreshEndpointInterval(Integer.getInteger("refresh", 60000));
        if (locator != null) config.setLocator(locator);
        if (data != null) config.setDataPath(data);
        return CommunicatorFactory.getInstance().getCommunicator(config);
    }

    private TypesPrx proxy() {
        if (proxy == null) proxy = communicator().stringToProxy(TypesPrx.class, object);
        return proxy;
    }

    private JsonObject call(String line) {
        int blank = line.indexOf(' ');
        String name = blank < 0 ? line : line.substring(0, blank);
        JsonObject in = blank < 0 ? new JsonObject()
                                  : JsonParser.parseString(line.substring(blank)).getAsJsonObject();
        try {
            return call(method(name), in);
        } catch (InvocationTargetException e) {
            return failure(e.getCause());
        } catch (Exception e) {
            return failure(e);
        }
    }

    /** The form with every parameter and without a context: the shortest of that name. */
    private static Method method(String name) throws NoSuchMethodException {
        Method best = null;
        for (Method m : TypesPrx.class.getMethods())
            if (m.getName().equals(name)
                && (best == null || m.getParameterCount() < best.getParameterCount())) best = m;
        if (best == null) throw new NoSuchMethodException(name);
        return best;
    }

    private JsonObject call(Method m, JsonObject in) throws Exception {
        Type[] types = m.getGenericParameterTypes();
        Annotation[][] notes = m.getParameterAnnotations();
        Object[] args = new Object[types.length];
        String[] outs = new String[types.length];
        for (int i = 0; i < types.length; i++) {
            Annotation note = notes[i][0];
            if (note instanceof TarsHolder) {
                outs[i] = ((TarsHolder) note).name();
                args[i] = new Holder<Object>();
            } else {
                args[i] = Json.GSON.fromJson(in.get(((TarsMethodParameter) note).name()), types[i]);
            }
        }
        Object ret = m.invoke(proxy(), args);
        JsonObject answer = new JsonObject();
        if (m.getReturnType() != void.class) answer.add("ret", Json.GSON.toJsonTree(ret));
        JsonObject out = new JsonObject();
        for (int i = 0; i < types.length; i++)
            if (outs[i] != null) out.add(outs[i], json((Holder<?>) args[i], types[i]));
        answer.add("out", out);
        return answer;
    }

    private static JsonElement json(Holder<?> holder, Type type) {
        Type of = ((ParameterizedType) type).getActualTypeArguments()[0];
        return Json.GSON.toJsonTree(holder.getValue(), of);
    }

    private static JsonObject failure(Throwable e) {
        JsonObject answer = new JsonObject();
        answer.addProperty("error", e.getClass().getSimpleName());
        StringBuilder text = new StringBuilder();
        for (Throwable t = e; t != null && text.length() < 600; t = t.getCause())
            text.append(text.length() > 0 ? ": " : "").append(t.getMessage());
        answer.addProperty("message", text.toString());
        return answer;
    }
}
