#!/bin/sh
cd "$TARS_PATH/bin" && exec node server.js "$TARS_PATH/conf/HelloNode.conf"
