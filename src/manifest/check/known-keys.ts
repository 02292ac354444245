/** What to say about words that are none here, but that somebody writes with good reason. */
type Hints = Readonly<Record<string, string>>;

function meant(words: Hints): Hints {
  return Object.fromEntries(Object.entries(words).map(([word, here]) => [word, `did you mean \`${here}\`?`]));
}

function called(words: Hints): Hints {
  return Object.fromEntries(
    Object.entries(words).map(([word, here]) => [word, `Setpoint calls this \`${here}\``]),
  );
}

function unsupported(words: Hints): Hints {
  return Object.fromEntries(
    Object.entries(words).map(([word, instead]) => [word, `this is not supported: ${instead}`]),
  );
}

const SERVICE: Hints = {
  ...Object.fromEntries(
    [
      'cap_add',
      'cap_drop',
      'privileged',
      'network_mode',
      'networks',
      'extra_hosts',
      'read_only',
      'init',
      'platform',
      'shm_size',
      'pid',
      'workspace',
      'hide_git',
      'netrc',
      'gitconfig',
      'max_containers',
    ].map((key) => [key, `did you mean \`docker: {${key}: ...}\`?`]),
  ),
  ...unsupported({
    container_name: 'containers are called PROJECT-SERVICE-NUMBER',
    hostname: 'a container is found under the id of its service',
    domainname: 'a container is found under the id of its service',
    dns: 'set it for the engine, or use `docker: {extra_hosts: ...}`',
    dns_search: 'set it for the engine',
    devices: 'only `docker: {privileged: true}` gives devices',
    sysctls: 'set them for the engine or the machine',
    security_opt: 'use `docker: {cap_drop, read_only}`',
    ipc: 'containers have their own',
    userns_mode: 'set it for the engine',
    group_add: 'name the group in `user: USER:GROUP`',
    links: 'services of one network find each other by their ids',
    external_links: 'use `docker: {network_mode: "container:NAME"}` or an external network',
    volumes_from: 'list the mounts of each service',
    configs: 'mount the file under `mounts`',
    credential_spec: 'it is for another system',
    extends: 'use `defaults`, an anchor, or `include`',
  }),
  pull_policy: 'did you mean `docker: {pull: ...}`?',
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
  healthcheck:
    'Setpoint calls this `ready` (others wait for it) and `live` (it is restarted when it fails); what the engine itself shall check stands in `docker: {healthcheck: ...}`',
};

const TOP: Hints = {
  ...unsupported({ configs: 'mount the file under `mounts` of a service' }),
  version: 'a manifest has no version; remove it',
  ...meant({ environment: 'env', processes: 'services' }),
};

const DOCKER: Hints = {
  ...meant({
    pull_policy: 'pull',
    'cap-add': 'cap_add',
    'cap-drop': 'cap_drop',
    network: 'networks',
    net: 'network_mode',
    readonly: 'read_only',
    hosts: 'extra_hosts',
  }),
  ...Object.fromEntries(
    ['ports', 'mounts', 'command', 'env', 'secrets', 'limits', 'tty', 'restart'].map((key) => [
      key,
      `\`${key}\` stands in the service itself`,
    ]),
  ),
  volumes: 'did you mean `mounts` of the service?',
  workdir: 'did you mean `cwd` of the service?',
  working_dir: 'did you mean `cwd` of the service?',
};

const BUILD: Hints = {
  ...unsupported({
    dockerfile_inline: 'put it into a file',
    additional_contexts: 'build from one folder',
    cache_from: 'the engine keeps its own cache',
    cache_to: 'the engine keeps its own cache',
    ssh: 'copy what the build needs into its folder',
    secrets: 'use `args`, which stay in the image',
    network: 'builds use the network of the engine',
  }),
  ...meant({
    path: 'context',
    file: 'dockerfile',
    build_args: 'args',
    platforms: 'platform',
    nocache: 'no_cache',
  }),
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

const HEALTHCHECK: Hints = {
  ...unsupported({ start_interval: 'use `start_period` and `interval`' }),
  ...meant({ exec: 'test', command: 'test', cmd: 'test', grace: 'start_period' }),
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

const NIX: Hints = meant({
  path: 'flake',
  url: 'flake',
  devShell: 'shell',
  attribute: 'shell',
  cache: 'cache_dir',
});

const PULL: Hints = meant({ if_not_present: 'missing', IfNotPresent: 'missing', build: 'missing' });

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

const BACKEND: Hints = {
  ...meant({ process: 'native', host: 'native', local: 'native', container: 'docker' }),
  podman: 'did you mean `docker`? An engine that speaks its API is found by DOCKER_HOST',
};

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
  concreteBackend: BACKEND,
  docker: DOCKER,
  build: BUILD,
  buildEntry: BUILD,
  mount: MOUNT,
  mountItem: MOUNT,
  port: PORT,
  portEntry: PORT,
  portItem: PORT,
  healthcheck: HEALTHCHECK,
  secret: SECRET,
  secretUse: SECRET_USE,
  secretItem: SECRET_USE,
  volume: RESOURCE,
  network: RESOURCE,
  sandbox: SANDBOX,
  nix: NIX,
  pull: PULL,
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
