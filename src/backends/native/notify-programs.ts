/**
 * The receiver of sd_notify(3) messages, twice: Node has no datagram sockets of the family AF_UNIX, perl and python have
 * them without any further package. Both are fed to the interpreter's standard input with the same arguments and do the
 * same:
 *
 *     LABEL INSTANCE-DIR RUN SOCKET-PATH UID FOLDER
 *
 * UID: who may send besides root ('' for the user that it runs as). FOLDER: removed at the end ('' for none).
 *
 * - They say `bound` on standard output once messages can be sent, or `failed REASON`.
 * - They end by themselves when nobody holds the FIFO `alive` open for writing any more. Until the launcher is there
 *   whoever starts them has to hold it open.
 * - Descriptors that come with a message are never taken out of the socket, so the kernel closes them: which is all that
 *   BARRIER=1 asks for.
 * - The state is written two milliseconds after a message that no other followed, or in between, so that a flood of
 *   messages is no flood of files. STOPPING=1 wins over READY=1, and that over RELOADING=1, where one message has more
 *   than one of them; that is what systemd does (service_notify_message of its src/core/service.c).
 * - What is removed at the end is the socket that they have made, not one that has come in its place.
 */
export const PERL_RECEIVER = String.raw`
use strict; use warnings; use Socket; use Fcntl;
my ($label, $dir, $run, $path, $uid, $folder) = @ARGV;
$SIG{$_} = 'IGNORE' for qw(HUP INT QUIT PIPE);
umask 0177;
sub fail { syswrite STDOUT, "failed $_[0]\n"; rmdir $folder if $folder ne ''; exit 1 }
sysopen(my $alive, "$dir/alive", O_RDONLY | O_NONBLOCK) or fail("$dir/alive: $!");
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or fail("socket: $!");
unlink $path if -S $path;
bind($socket, pack_sockaddr_un($path)) or fail("$path: $!");
my ($device, $inode) = lstat $path;
if ($uid ne '' && !chown($uid, -1, $path)) { my $why = "$!"; unlink $path; fail("$path: $why") }
fcntl($socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK) or fail("socket: $!");
my %state = map { $_ => 0 } qw(READY RELOADING STOPPING WATCHDOG TRIGGERS EXTENSIONS);
sub save {
  my ($over) = @_;
  # A later run's receiver may have the file by now.
  if ($over && open(my $old, '<', "$dir/notify")) {
    my $first = <$old>;
    return 1 if defined $first && $first ne "RUN=$run\n";
  }
  open(my $file, '>', "$dir/notify.new") or return 0;
  my $text = "RUN=$run\nSOCKET=$path\n" . join('', map { "$_=$state{$_}\n" } sort keys %state);
  $text .= "OVER=1\n" if $over;
  my $kept = print $file $text;
  return close($file) && $kept && rename("$dir/notify.new", "$dir/notify");
}
sub take {
  my ($message) = @_;
  $message =~ s/[^\n]*\z// if length($message) > 65536;
  my %said;
  for (split /\n/, $message) {
    my ($key, $value) = split /=/, $_, 2;
    $said{$key} = $value if defined $value;
    next unless defined $value;
    if ($key eq 'WATCHDOG' && $value eq '1') { $state{WATCHDOG}++ }
    elsif ($key eq 'WATCHDOG' && $value eq 'trigger') { $state{TRIGGERS}++ }
    elsif ($key eq 'STATUS') { $state{STATUS} = substr($value, 0, 4096) }
    elsif ($key =~ /\A(?:ERRNO|MAINPID|WATCHDOG_USEC|EXTEND_TIMEOUT_USEC)\z/ && $value =~ /\A[0-9]{1,15}\z/) {
      $state{$key} = $value;
      $state{EXTENSIONS}++ if $key eq 'EXTEND_TIMEOUT_USEC';
    }
  }
  for my $key (qw(STOPPING READY RELOADING)) {
    next unless ($said{$key} // '') eq '1';
    $state{$_} = $_ eq $key ? 1 : 0 for qw(STOPPING READY RELOADING);
    last;
  }
}
my $changed = 0;
sub drain {
  for (1 .. $_[0]) {
    my $message;
    last unless defined recv($socket, $message, 65537, 0);
    take($message);
    $changed = 1;
  }
}
save(0) or do { my $why = "$!"; unlink $path; fail("$dir/notify: $why") };
syswrite STDOUT, "bound\n";
open STDIN, '<', '/dev/null';
open STDOUT, '>', '/dev/null';
open STDERR, '>', '/dev/null';
my $rounds = 0;
while (1) {
  my $ready = '';
  vec($ready, fileno($_), 1) = 1 for $socket, $alive;
  my $count = select($ready, undef, undef, $changed ? 0.002 : undef);
  next if $count < 0;
  drain(100) if vec($ready, fileno($socket), 1);
  if ($changed && ($count == 0 || ++$rounds > 20)) {
    $rounds = 0;
    if (save(0)) { $changed = 0 } else { select(undef, undef, undef, 0.2) }
  }
  if ($count > 0 && vec($ready, fileno($alive), 1)) {
    my $got = sysread($alive, my $buffer, 4096);
    last if defined $got && $got == 0;
  }
}
drain(10000);
save(1);
my ($device_now, $inode_now) = lstat $path;
unlink $path if defined $inode_now && $inode_now == $inode && $device_now == $device;
rmdir $folder if $folder ne '';
`;

export const PYTHON_RECEIVER = String.raw`
import os, re, select, signal, socket, stat, sys, time
label, folder_of_run, run, path, uid, folder = sys.argv[1:7]
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
    signal.signal(number, signal.SIG_IGN)
os.umask(0o177)
target = os.path.join(folder_of_run, 'notify')

def remove_folder():
    if folder:
        try: os.rmdir(folder)
        except OSError: pass

def fail(why):
    os.write(1, ('failed %s\n' % why).encode('utf-8', 'replace'))
    remove_folder()
    sys.exit(1)

try:
    alive = os.open(os.path.join(folder_of_run, 'alive'), os.O_RDONLY | os.O_NONBLOCK)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode): os.unlink(path)
    except FileNotFoundError: pass
    receiver.bind(path)
    made = os.lstat(path)
except OSError as error: fail('%s: %s' % (path, error.strerror or error))
try:
    if uid: os.chown(path, int(uid), -1)
except OSError as error:
    os.unlink(path)
    fail('%s: %s' % (path, error.strerror or error))
receiver.setblocking(False)
counts = {key: 0 for key in ('READY', 'RELOADING', 'STOPPING', 'WATCHDOG', 'TRIGGERS', 'EXTENSIONS')}
values = {}

def save(over):
    try:
        if over:
            # A later run's receiver may have the file by now.
            try:
                with open(target, 'rb') as old:
                    if old.readline() != b'RUN=' + os.fsencode(run) + b'\n': return True
            except FileNotFoundError: pass
        lines = [b'RUN=' + os.fsencode(run), b'SOCKET=' + os.fsencode(path)]
        lines += [b'%s=%d' % (key.encode(), counts[key]) for key in sorted(counts)]
        lines += [key + b'=' + values[key] for key in sorted(values)]
        if over: lines.append(b'OVER=1')
        with open(target + '.new', 'wb') as file: file.write(b'\n'.join(lines) + b'\n')
        os.rename(target + '.new', target)
        return True
    except OSError: return False

def take(message):
    if len(message) > 65536: message = message[:message.rfind(b'\n') + 1]
    said = {}
    for line in message.split(b'\n'):
        key, equals, value = line.partition(b'=')
        if not equals: continue
        said[key] = value
        if key == b'WATCHDOG' and value == b'1': counts['WATCHDOG'] += 1
        elif key == b'WATCHDOG' and value == b'trigger': counts['TRIGGERS'] += 1
        elif key == b'STATUS': values[key] = value[:4096]
        elif key in (b'ERRNO', b'MAINPID', b'WATCHDOG_USEC', b'EXTEND_TIMEOUT_USEC') and re.match(br'[0-9]{1,15}\Z', value):
            values[key] = value
            if key == b'EXTEND_TIMEOUT_USEC': counts['EXTENSIONS'] += 1
    for key in ('STOPPING', 'READY', 'RELOADING'):
        if said.get(key.encode()) != b'1': continue
        for each in ('STOPPING', 'READY', 'RELOADING'): counts[each] = 1 if each == key else 0
        break

changed = False
def drain(most):
    global changed
    for _ in range(most):
        try: message = receiver.recv(65537)
        except OSError: return
        take(message)
        changed = True

if not save(False):
    os.unlink(path)
    fail('%s cannot be written' % target)
os.write(1, b'bound\n')
nothing = os.open('/dev/null', os.O_RDWR)
for number in (0, 1, 2): os.dup2(nothing, number)
rounds = 0
while True:
    ready, _, _ = select.select([receiver, alive], [], [], 0.002 if changed else None)
    if receiver in ready: drain(100)
    rounds += 1
    if changed and (not ready or rounds > 20):
        rounds = 0
        if save(False): changed = False
        else: time.sleep(0.2)
    if alive in ready:
        try:
            if os.read(alive, 4096) == b'': break
        except BlockingIOError: pass
drain(10000)
save(True)
try:
    now = os.lstat(path)
    if (now.st_dev, now.st_ino) == (made.st_dev, made.st_ino): os.unlink(path)
except OSError: pass
remove_folder()
`;
