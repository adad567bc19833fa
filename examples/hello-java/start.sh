#!/bin/sh
# The export is what TarsJava's proxies need since Java 16; proxies are also used by the server itself.
cd "$TARS_PATH/bin" && exec java --add-exports java.base/sun.reflect.generics.reflectiveObjects=ALL-UNNAMED \
    ${JAVA_OPTS:-} -Dconfig="$TARS_PATH/conf/HelloJava.conf" -cp 'classes:lib/*' com.qq.tars.server.startup.Main
