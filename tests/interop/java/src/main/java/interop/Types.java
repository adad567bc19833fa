// SPDX-License-Identifier: BSD-3-Clause
package interop;

import com.qq.tars.common.support.Holder;
import gen.interop.AllTypes;
import gen.interop.Named;
import gen.interop.Point;
import gen.interop.TypesServant;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/** The servant of AllTypes.tars on TarsJava. NAME in the environment is what `who` answers. */
public class Types implements TypesServant {
    private static final AtomicLong pokes = new AtomicLong();

    @Override
    public AllTypes mirror(AllTypes value, Holder<AllTypes> back) {
        back.setValue(value);
        return value;
    }

    @Override
    public int scalars(boolean b, byte c, short s, int i, long l, float f, double d, String str,
                       int colour, short ub, int us, long ui, Holder<Boolean> rb, Holder<Byte> rc,
                       Holder<Short> rs, Holder<Integer> ri, Holder<Long> rl, Holder<Float> rf,
                       Holder<Double> rd, Holder<String> rstr, Holder<Integer> rcolour,
                       Holder<Short> rub, Holder<Integer> rus, Holder<Long> rui) {
        rb.setValue(b);
        rc.setValue(c);
        rs.setValue(s);
        ri.setValue(i);
        rl.setValue(l);
        rf.setValue(f);
        rd.setValue(d);
        rstr.setValue(str);
        rcolour.setValue(colour);
        rub.setValue(ub);
        rus.setValue(us);
        rui.setValue(ui);
        return 0;
    }

    @Override
    public int containers(byte[] blob, List<String> strs, Map<String, String> words,
                          List<Named> named, Map<String, List<Point>> paths, Point at,
                          Holder<byte[]> rblob, Holder<List<String>> rstrs,
                          Holder<Map<String, String>> rwords, Holder<List<Named>> rnamed,
                          Holder<Map<String, List<Point>>> rpaths, Holder<Point> rat) {
        rblob.setValue(blob);
        rstrs.setValue(strs);
        rwords.setValue(words);
        rnamed.setValue(named);
        rpaths.setValue(paths);
        rat.setValue(at);
        return 0;
    }

    /** TarsJava has no way to choose a code: an exception is what its servants fail with. */
    @Override
    public int fail(int code, String text) {
        throw new IllegalStateException(text);
    }

    @Override
    public int slow(int ms, Holder<Integer> slept) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        slept.setValue(ms);
        return 0;
    }

    @Override
    public void poke(int by) {
        pokes.addAndGet(by);
    }

    @Override
    public long pokes() {
        return pokes.get();
    }

    @Override
    public String who(Holder<Integer> pid) {
        pid.setValue(Integer.parseInt(ManagementFactory.getRuntimeMXBean().getName().split("@")[0]));
        String name = System.getenv("NAME");
        return name == null ? "java" : name;
    }
}
