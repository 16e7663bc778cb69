# Ends what a process of the bed started, once that process is gone, however it died (kill -9 included): its standard
# input is a FIFO that only that process keeps open for writing, so its death is the end of the file.
#
# Lines:  + PID SIGNAL   this process (and the group it leads) must not outlive the starter
#         - PID          it has ended by itself
#         d FOLDER       remove this folder as well
# $1: the folder of the FIFO, removed at the end.

watched=' '
folders=' '

without() {
  kept=' '
  for entry in $watched; do
    case "$entry" in
      "$1":*) ;;
      *) kept="$kept$entry " ;;
    esac
  done
  watched=$kept
}

send() {
  kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "$2" 2>/dev/null
}

while read -r verb first second; do
  case "$verb" in
    +) watched="$watched$first:$second " ;;
    -) without "$first" ;;
    d) folders="$folders$first " ;;
  esac
done

for entry in $watched; do
  send "${entry#*:}" "${entry%:*}"
done

# A program that was asked gently (PostgreSQL removes its shared memory on SIGQUIT) has two seconds.
for entry in $watched; do
  tries=0
  while [ "${entry#*:}" != KILL ] && [ "$tries" -lt 20 ] && kill -0 "${entry%:*}" 2>/dev/null; do
    tries=$((tries + 1))
    sleep 0.1
  done
  send KILL "${entry%:*}"
done

for folder in $folders "$1"; do
  case "$folder" in
    */greenroom-*) rm -rf "$folder" 2>/dev/null || { sleep 0.2; rm -rf "$folder"; } ;;
  esac
done
