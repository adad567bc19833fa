// SPDX-License-Identifier: BSD-3-Clause
package demo;

import com.qq.tars.common.support.Holder;
import gen.demo.HelloServant;

/** The servant of Hello.tars on TarsJava; servants.xml names it. */
public class Hello implements HelloServant {
    @Override
    public int hello(String name, Holder<String> greeting) {
        greeting.setValue("Hello, " + name + ", from Java");
        return 0;
    }
}
