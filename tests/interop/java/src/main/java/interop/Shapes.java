// SPDX-License-Identifier: BSD-3-Clause
package interop;

import com.qq.tars.client.CommunicatorConfig;
import com.qq.tars.client.CommunicatorFactory;
import com.qq.tars.common.support.Holder;
import gen.demo.Point;
import gen.demo.ShapesPrx;
import java.util.Arrays;

/** A TarsJava client for the interface that docs/sdk.md begins with: Shapes OBJECT prints an area. */
public final class Shapes {
    private Shapes() {
    }

    public static void main(String[] args) {
        ShapesPrx shapes = CommunicatorFactory.getInstance()
                               .getCommunicator(new CommunicatorConfig())
                               .stringToProxy(ShapesPrx.class, args[0]);
        Holder<Double> value = new Holder<>();
        int ret = shapes.area(
            Arrays.asList(new Point(0, 0), new Point(2, 0), new Point(2, 3), new Point(0, 3)), value);
        System.err.println("area " + value.getValue() + " returned " + ret);
        System.exit(0);
    }
}
