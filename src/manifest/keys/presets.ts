import type { ErrorPattern } from '../../core/service.ts';

/** What failing programs of different kinds say, as their own runtimes word it. The first that matches wins. */
const PRESETS: Readonly<Record<string, readonly ErrorPattern[]>> = {
  node: [
    { match: "Cannot find (module|package) '([^']+)'", message: "Cannot find $1 '$2'" },
    { match: 'JavaScript heap out of memory', message: 'out of JavaScript heap memory' },
    { match: '^(?:Uncaught )?([A-Z][A-Za-z]*Error)(?: \\[[A-Z_]+\\])?: (.+)$', message: '$1: $2' },
  ],
  python: [
    {
      match: "^ModuleNotFoundError: No module named '([^']+)'",
      message: 'the Python module $1 is not installed',
    },
    { match: '^([A-Za-z_][A-Za-z0-9_.]*(?:Error|Exception)): (.+)$', message: '$1: $2' },
    { match: "can't open file '([^']+)'", message: 'python cannot open $1' },
  ],
  go: [
    { match: '^panic: (.+)$', message: 'panic: $1' },
    { match: '^fatal error: (.+)$', message: 'fatal error: $1' },
  ],
  java: [
    { match: '^Error: Unable to access jarfile (.+)$', message: 'no jar file $1' },
    { match: '^Error: Could not find or load main class (.+)$', message: 'no main class $1' },
    { match: '^Exception in thread "[^"]*" (.+)$', message: '$1' },
    { match: '^Caused by: (.+)$', message: '$1' },
  ],
  ruby: [
    { match: 'cannot load such file -- (\\S+)', message: 'the Ruby library $1 is not installed' },
    { match: ': (.+) \\(([A-Z][A-Za-z:]*(?:Error|Exception))\\)$', message: '$2: $1' },
  ],
  rust: [{ match: "^thread '[^']*' panicked at (.+)$", message: 'panicked at $1' }],
  php: [{ match: '^(?:PHP )?Fatal error: {1,2}(.+)$', message: '$1' }],
  shell: [
    { match: ': (?:\\d+: )?(\\S+): not found$', message: 'the program $1 was not found' },
    { match: ': (\\S+): command not found$', message: 'the program $1 was not found' },
    { match: ': (\\S+): Permission denied$', message: '$1 may not be run or read' },
    { match: ': (\\S+): No such file or directory$', message: '$1 does not exist' },
  ],
  port: [
    { match: 'EADDRINUSE: address already in use (\\S+)', message: '$1 is already in use' },
    { match: 'listen (?:tcp|udp)\\S* (\\S+): bind: address already in use', message: '$1 is already in use' },
    { match: 'listen EACCES: permission denied (\\S+)', message: 'not allowed to listen on $1' },
    { match: '[Aa]ddress already in use', message: 'a port it listens on is already in use' },
  ],
  network: [
    { match: 'connect ECONNREFUSED (\\S+)', message: 'nothing answers at $1' },
    { match: 'getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (\\S+)', message: 'the host name $1 is not known' },
    { match: 'dial tcp (\\S+): connect: connection refused', message: 'nothing answers at $1' },
    { match: '[Cc]onnection refused', message: 'something it needs does not answer (connection refused)' },
  ],
  disk: [
    { match: 'ENOSPC|[Nn]o space left on device', message: 'the disk is full' },
    { match: 'EROFS|[Rr]ead-only file system', message: 'the file system is read-only' },
    { match: 'EMFILE|[Tt]oo many open files', message: 'too many open files' },
  ],
  memory: [
    { match: 'ENOMEM|[Cc]annot allocate memory|[Oo]ut of memory|MemoryError', message: 'out of memory' },
  ],
};

/** Undefined for a name that is no preset. */
export function errorPreset(name: string): readonly ErrorPattern[] | undefined {
  return Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
}
