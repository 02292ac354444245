/** What to say about keys that are no keys here, but that somebody writes with good reason. */
const LATER = 'not supported by this version of setpoint';

const SERVICE: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      'ready',
      'live',
      'mounts',
      'docker',
      'nix',
      'schedule',
      'watch',
      'sandbox',
      'tty',
      'stdin',
      'log',
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
  environment: 'did you mean `env`?',
  working_dir: 'did you mean `cwd`?',
  dir: 'did you mean `cwd`?',
  cmd: 'did you mean `command`?',
  run: 'did you mean `command`?',
  stop_signal: 'did you mean `stop: {signal: ...}`?',
  stop_grace_period: 'did you mean `stop: {grace: ...}`?',
  healthcheck: 'probes are not supported by this version of setpoint',
  scale: 'did you mean `replicas`?',
  depends: 'did you mean `depends_on`?',
};

const TOP: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['secrets', 'volumes', 'networks', 'configs'].map((key) => [key, LATER])),
  version: 'a manifest has no version; remove it',
  environment: 'did you mean `env`?',
  processes: 'did you mean `services`?',
};

const LIMITS: Readonly<Record<string, string>> = {
  memory: 'not supported yet: it needs cgroups; `address_space` bounds virtual memory',
  cpus: 'not supported yet: it needs cgroups; `cpu_time` bounds the CPU time of a process',
};

const RESTART: Readonly<Record<string, string>> = {
  no: 'did you mean `never`?',
  'no-restart': 'did you mean `never`?',
  on_failure: 'did you mean `on-failure`?',
  exit_on_failure: 'did you mean `on-failure`?',
};

const CONDITION: Readonly<Record<string, string>> = {
  service_started: 'did you mean `started`?',
  service_completed_successfully: 'did you mean `completed-successfully`?',
  service_healthy: 'waiting for readiness is not supported by this version of setpoint',
  healthy: 'waiting for readiness is not supported by this version of setpoint',
  ready: 'waiting for readiness is not supported by this version of setpoint',
  log: 'waiting for a log line is not supported by this version of setpoint',
};

const BACKEND: Readonly<Record<string, string>> = { docker: LATER, nix: LATER };

const HINTS = {
  top: TOP,
  service: SERVICE,
  limits: LIMITS,
  restart: RESTART,
  condition: CONDITION,
  backend: BACKEND,
};

/** Undefined where there is nothing special to say. */
export function hint(about: keyof typeof HINTS, word: string): string | undefined {
  const hints: Readonly<Record<string, string>> = HINTS[about];
  return Object.hasOwn(hints, word) ? hints[word] : undefined;
}
