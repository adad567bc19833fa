// SPDX-License-Identifier: BSD-3-Clause
package demo;

import com.qq.tars.client.CommunicatorConfig;
import com.qq.tars.client.CommunicatorFactory;
import com.qq.tars.common.support.Holder;
import gen.demo.HelloPrx;
import java.io.PrintStream;
import java.nio.file.Files;

/** Calls an object of Hello.tars by its name: Client LOCATOR NAME OBJECT... prints the greetings. */
public final class Client {
    private Client() {}

    public static void main(String[] args) throws Exception {
        PrintStream out = System.out;
        System.setOut(System.err); // the SDK prints, too
        CommunicatorConfig config = new CommunicatorConfig();
        config.setLocator(args[0]);
        config.setModuleName("Demo.Client");
        config.setDataPath(Files.createTempDirectory("hello").toString());
        for (int i = 2; i < args.length; i++) {
            Holder<String> greeting = new Holder<>();
            CommunicatorFactory.getInstance()
                .getCommunicator(config)
                .stringToProxy(HelloPrx.class, args[i])
                .hello(args[1], greeting);
            out.println(greeting.getValue());
        }
        System.exit(0);
    }
}
