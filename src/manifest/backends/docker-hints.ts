import { meant, unsupported, type Hints } from '../check/hints.ts';

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
    dns: 'set it for the engine, or use `docker: {extra_hosts: ...}`',
    devices: 'only `docker: {privileged: true}` gives devices',
    security_opt: 'use `docker: {cap_drop, read_only}`',
    external_links: 'use `docker: {network_mode: "container:NAME"}` or an external network',
  }),
  pull_policy: 'did you mean `docker: {pull: ...}`?',
  healthcheck:
    'Setpoint calls this `ready` (others wait for it) and `live` (it is restarted when it fails); what the engine itself shall check stands in `docker: {healthcheck: ...}`',
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

const HEALTHCHECK: Hints = {
  ...unsupported({ start_interval: 'use `start_period` and `interval`' }),
  ...meant({ exec: 'test', command: 'test', cmd: 'test', grace: 'start_period' }),
};

const PULL: Hints = meant({ if_not_present: 'missing', IfNotPresent: 'missing', build: 'missing' });

const BACKEND: Hints = {
  ...meant({ container: 'docker' }),
  podman: 'did you mean `docker`? An engine that speaks its API is found by DOCKER_HOST',
};

/** Words of other tools for what stands in a service, and in its settings, for this backend. */
export const dockerHints: Readonly<Record<string, Hints>> = {
  service: SERVICE,
  docker: DOCKER,
  build: BUILD,
  buildEntry: BUILD,
  healthcheck: HEALTHCHECK,
  pull: PULL,
  backend: BACKEND,
  concreteBackend: BACKEND,
};
