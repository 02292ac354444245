/** What the help of a command says below its options. */

export const UP_HELP = `
On a terminal it shows the TUI: q or Ctrl-C stops the project (again: skips the grace periods, a third time
kills), d leaves it running, ? lists the keys. Elsewhere, and with --plain, what services write is streamed.
The end of \`up\`, however it comes, ends what it has started; what ran before it goes on.`;

export const STATUS_HELP = `
What has a \`ready\` probe is "ready" or "running (not ready)"; what has none is "running".
CPU is a share of one CPU since somebody last looked, and \`-\` for the first; \`setpoint top\` goes on looking.`;

export const RELOAD_HELP = `
An edited manifest is taken up by itself, unless \`up\` was told --no-watch or --review. It is loaded as that \`up\`
loaded it: same files, profiles, variables and environment. What was stopped or scaled by hand stays so.
Exit status: 0 begun or nothing to do, 2 errors, or held for review (--yes confirms it).`;

export const TOP_HELP = `
CPU is a share of one CPU since the last look; MEM is that of the service and all it has started.
Keys: c, m and n sort by CPU, memory or name; q or Ctrl-C ends.`;

export const ATTACH_HELP = `
A service with \`tty: true\` gets every key, Ctrl-C too, and this terminal's size; the detach keys leave it.
One with \`stdin: pipe\` gets whole lines; Ctrl-C or Ctrl-D leaves it. Without a terminal, what comes on
standard input is copied until its end, and that is the end. Only standard output is shown: \`setpoint logs\`
has both streams. Ends with the service's own run, with its exit status (128 + n for signal n).`;

export const EXEC_HELP = `
Options come before the service: \`setpoint exec -T web ls -l\`. In a container the command runs there; else on
this machine with the service's environment, folder and user. What is in a sandbox cannot be entered. On a
terminal it gets every key, Ctrl-C too, and this terminal's size. Ends with the status of the command.`;

export const EXPLAIN_HELP = `
The timeline shows for each instance what it waited for (dots) and how long it took until it was ready
(blocks). What everything together had to wait for is marked with *: to be up sooner, make that faster.`;

export const WAIT_HELP = `
ready      its \`ready\` probe says so; without one: running
running    it runs and has not ended again at once; probes do not matter
completed  it has run to its end, successfully; with a schedule: its last run has
stopped    it does not run and will not by itself`;

export const LOGS_HELP = `
On a terminal, what services write keeps its colours, and loses what would move the cursor. Elsewhere
every byte is printed as it was written. NO_COLOR and --no-color leave the text alone.
JSON is one object a line.`;

export const DAEMON_HELP = `
status   pid, version, memory, and where it keeps things
restart  ends it and starts the installed version, which takes over what runs
stop     ends it alone: what runs goes on without anybody who restarts it`;

export const REAP_HELP = `
Processes are reaped that belong to a project which is down, to a run that is over or has been followed by
another one, or to a project whose manifest is gone; and sockets that nobody serves. Containers and networks
go that a shutdown could not remove, or whose project's manifest is gone; volumes stay. A project with a live
daemon, and what a daemon would take over, is never touched. SIGTERM comes first, SIGKILL after 5 s.`;

export const COMPLETION_HELP = `
  bash  eval "$(setpoint completion bash)"             in ~/.bashrc
  zsh   eval "$(setpoint completion zsh)"              in ~/.zshrc, after compinit
  fish  setpoint completion fish | source              in ~/.config/fish/config.fish`;
