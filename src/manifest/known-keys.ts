/** What to say about words that are none here, but that somebody writes with good reason. */
const LATER = 'not supported by this version of setpoint';

type Hints = Readonly<Record<string, string>>;

function meant(words: Hints): Hints {
  return Object.fromEntries(Object.entries(words).map(([word, here]) => [word, `did you mean \`${here}\`?`]));
}

function called(words: Hints): Hints {
  return Object.fromEntries(
    Object.entries(words).map(([word, here]) => [word, `Setpoint calls this \`${here}\``]),
  );
}

const SERVICE: Hints = {
  ...Object.fromEntries(
    [
      'mounts',
      'docker',
      'nix',
      'sandbox',
      'secrets',
      'nice',
      'image',
      'build',
      'entrypoint',
      'backend_order',
      'networks',
      'volumes',
    ].map((key) => [key, LATER]),
  ),
  ...meant({
    environment: 'env',
    working_dir: 'cwd',
    dir: 'cwd',
    cmd: 'command',
    run: 'command',
    stop_signal: 'stop: {signal: ...}',
    stop_grace_period: 'stop: {grace: ...}',
    scale: 'replicas',
    depends: 'depends_on',
    cron: 'schedule',
    stdin_open: 'stdin: pipe',
    logging: 'log',
    mem_limit: 'limits: {memory: ...}',
    cpus: 'limits: {cpus: ...}',
    pids_limit: 'limits: {processes: ...}',
    ulimits: 'limits',
    develop: 'watch',
  }),
  ...called({
    readiness_probe: 'ready',
    liveness_probe: 'live',
    ready_log_line: 'ready: {log: ...}',
    is_tty: 'tty',
    availability: 'restart: {policy: ..., max_restarts: ...}',
    shutdown: 'stop',
    log_configuration: 'log',
  }),
  healthcheck: 'Setpoint calls this `ready` (others wait for it) and `live` (it is restarted when it fails)',
};

const TOP: Hints = {
  ...Object.fromEntries(['secrets', 'volumes', 'networks', 'configs'].map((key) => [key, LATER])),
  version: 'a manifest has no version; remove it',
  ...meant({ environment: 'env', processes: 'services' }),
};

const PROBE: Hints = {
  ...meant({
    test: 'exec',
    cmd: 'exec',
    command: 'exec',
    script: 'exec',
    url: 'http',
    port: 'tcp',
    socket: 'tcp',
    pattern: 'log',
    start_interval: 'interval',
  }),
  ...called({
    http_get: 'http: {host, path, port, scheme}',
    tcp_socket: 'tcp',
    initial_delay_seconds: 'start_period',
    period_seconds: 'interval',
    timeout_seconds: 'timeout',
    failure_threshold: 'retries',
    success_threshold: 'success',
  }),
  disable: 'leave the probe out, or take an earlier one back by `!reset null`',
};

const HTTP: Hints = {
  ...meant({ uri: 'url', address: 'host', hostname: 'host' }),
  ...called({ status_code: 'status', num_port: 'port' }),
};

const RESTART: Hints = {
  ...meant({
    no: 'never',
    'no-restart': 'never',
    on_failure: 'on-failure',
    exit_on_failure: 'on-failure',
    condition: 'policy',
    max_retries: 'max_restarts',
    max_attempts: 'max_restarts',
    exit_codes: 'success_exit_codes',
  }),
  delay: 'the delay stands beside this, in `backoff: {initial: ...}`',
  backoff: 'this stands beside `restart`, in the service itself',
};

const CONDITION: Hints = {
  ...meant({
    healthy: 'ready',
    service_healthy: 'ready',
    process_healthy: 'ready',
    service_started: 'started',
    process_started: 'started',
    running: 'started',
    process_completed: 'completed',
    service_completed_successfully: 'completed-successfully',
    process_completed_successfully: 'completed-successfully',
    process_log_ready: 'log',
  }),
};

const DEPENDENCY: Hints = { ...CONDITION, restart: 'did you mean `on_failure: restart`?' };

const SCHEDULE: Hints = meant({
  tz: 'timezone',
  interval: 'every',
  expression: 'cron',
  run_on_start: 'on_start',
  concurrency: 'overlap',
  max_concurrent: 'overlap',
});

const WATCH: Hints = meant({ exclude: 'ignore', signal: 'action: {signal: ...}', delay: 'debounce' });

const LOG: Hints = meant({
  size: 'max_size',
  'max-size': 'max_size',
  max_file: 'keep',
  'max-file': 'keep',
  max_files: 'keep',
  max_backups: 'keep',
});

const BACKEND: Hints = { docker: LATER, nix: LATER };

/** By what the schema calls the place where the word stands. */
const HINTS: Readonly<Record<string, Hints>> = {
  top: TOP,
  service: SERVICE,
  probe: PROBE,
  httpCheck: HTTP,
  restart: RESTART,
  restartPolicy: RESTART,
  condition: CONDITION,
  dependency: DEPENDENCY,
  schedule: SCHEDULE,
  watch: WATCH,
  log: LOG,
  backend: BACKEND,
};

/** Words of a form rather than words of a list. */
const FORMS: Readonly<Record<string, (word: string) => string | undefined>> = {
  restart(word) {
    const [, count] = /^on-failure:(\d+)$/.exec(word) ?? [];
    return count === undefined ? undefined : `did you mean \`{policy: on-failure, max_restarts: ${count}}\`?`;
  },
  watchAction: (word) => (/^SIG[A-Z0-9]+$/.test(word) ? `did you mean \`{signal: ${word}}\`?` : undefined),
};

/** Undefined where there is nothing special to say. */
export function hint(about: string | undefined, word: string): string | undefined {
  if (about === undefined) return undefined;
  const hints = Object.hasOwn(HINTS, about) ? HINTS[about] : undefined;
  if (hints !== undefined && Object.hasOwn(hints, word)) return hints[word];
  return Object.hasOwn(FORMS, about) ? FORMS[about]?.(word) : undefined;
}
