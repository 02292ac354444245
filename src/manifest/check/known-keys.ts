import { dialects } from '../backends/dialects.ts';
import { called, meant, unsupported, type Hints } from './hints.ts';

const SERVICE: Hints = {
  ...unsupported({
    container_name: 'containers are called PROJECT-SERVICE-NUMBER',
    hostname: 'a container is found under the id of its service',
    domainname: 'a container is found under the id of its service',
    dns_search: 'set it for the engine',
    sysctls: 'set them for the engine or the machine',
    ipc: 'containers have their own',
    userns_mode: 'set it for the engine',
    group_add: 'name the group in `user: USER:GROUP`',
    links: 'services of one network find each other by their ids',
    volumes_from: 'list the mounts of each service',
    configs: 'mount the file under `mounts`',
    credential_spec: 'it is for another system',
    extends: 'use `defaults`, an anchor, or `include`',
  }),
  volumes: 'did you mean `mounts`?',
  tmpfs: 'did you mean `mounts: [{type: tmpfs, target: ...}]`?',
  expose:
    'write `ports: {NAME: {target: 80, published: false}}`; within a network every port is reached anyway',
  deploy: 'write `replicas`, `limits` and `restart` in the service itself',
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
};

const TOP: Hints = {
  ...unsupported({ configs: 'mount the file under `mounts` of a service' }),
  version: 'a manifest has no version; remove it',
  ...meant({ environment: 'env', processes: 'services' }),
};

const MOUNT: Hints = {
  ...meant({ src: 'source', dst: 'target', destination: 'target', readonly: 'read_only', ro: 'read_only' }),
  bind: 'its options are not supported; write `optional: true` for a source that may be missing',
  volume: 'its options are not supported',
  tmpfs: 'write `size` and `mode` in the mount itself',
  consistency: 'it has no effect on this system; leave it out',
};

const PORT: Hints = {
  ...meant({ container: 'target', host: 'published', ip: 'host_ip', port: 'target' }),
  mode: 'leave it out: a port is published on this machine',
  app_protocol: 'leave it out',
};

const SECRET: Hints = {
  ...unsupported({ external: 'name a `file` or a variable by `env`', content: 'put it into a file' }),
  ...meant({ environment: 'env', path: 'file', value: 'file' }),
};

const SECRET_USE: Hints = {
  ...unsupported({
    target: 'the file is called as the secret is',
    uid: 'the file belongs to the user of the service',
    gid: 'the file belongs to the user of the service',
    mode: 'the file can be read by the service alone',
  }),
  ...meant({ name: 'source', secret: 'source', environment: 'env', variable: 'env' }),
};

const RESOURCE: Hints = {
  ...unsupported({
    ipam: 'make the network yourself, and say `external: true`',
    attachable: 'it is for swarms',
    enable_ipv6: 'make the network yourself, and say `external: true`',
    driver_config: 'use `driver_opts`',
  }),
  ...meant({ options: 'driver_opts', opts: 'driver_opts' }),
};

const SANDBOX: Hints = meant({ net: 'network', ro: 'read', rw: 'write', paths: 'read' });

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

/** By what the schema calls the place where the word stands; those of single backends are in their dialects. */
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
  mount: MOUNT,
  mountItem: MOUNT,
  port: PORT,
  portEntry: PORT,
  portItem: PORT,
  secret: SECRET,
  secretUse: SECRET_USE,
  secretItem: SECRET_USE,
  volume: RESOURCE,
  network: RESOURCE,
  sandbox: SANDBOX,
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
  for (const rooms of [HINTS, ...dialects.map(({ hints }) => hints)]) {
    const hints = Object.hasOwn(rooms, about) ? rooms[about] : undefined;
    if (hints !== undefined && Object.hasOwn(hints, word)) return hints[word];
  }
  return Object.hasOwn(FORMS, about) ? FORMS[about]?.(word) : undefined;
}
