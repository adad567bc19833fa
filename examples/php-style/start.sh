#!/bin/sh
# As PHP servers do: the server goes to the background, the script ends. tarscli follows the server.
"$TARS_PATH/bin/simpleserver" --config="$TARS_PATH/conf/PhpStyle.conf" &
