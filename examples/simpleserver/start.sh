#!/bin/sh
exec "$TARS_PATH/bin/simpleserver" --config="$TARS_PATH/conf/SimpleServer.conf"
