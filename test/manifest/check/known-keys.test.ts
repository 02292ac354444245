import { describe, expect, test } from 'vitest';
import { load } from '../memory-io.ts';

/** What is said of the first unknown key, or wrong word, of a manifest. */
function noteOf(text: string): string | undefined {
  const { diagnostics } = load(text, { files: { '/p/Dockerfile': '' } });
  const first = diagnostics.find(({ code }) => code === 'unknown-key' || code === 'bad-value');
  return first?.labels[0]?.note;
}

describe('words of Compose', () => {
  test.each([
    ['environment', 'did you mean `env`?'],
    ['working_dir', 'did you mean `cwd`?'],
    ['container_name', 'this is not supported: containers are called PROJECT-SERVICE-NUMBER'],
    ['hostname', 'this is not supported: a container is found under the id of its service'],
    ['dns', 'this is not supported: set it for the engine, or use `docker: {extra_hosts: ...}`'],
    [
      'expose',
      'write `ports: {NAME: {target: 80, published: false}}`; within a network every port is reached anyway',
    ],
    ['volumes', 'did you mean `mounts`?'],
    ['tmpfs', 'did you mean `mounts: [{type: tmpfs, target: ...}]`?'],
    ['networks', 'did you mean `docker: {networks: ...}`?'],
    ['network_mode', 'did you mean `docker: {network_mode: ...}`?'],
    ['cap_add', 'did you mean `docker: {cap_add: ...}`?'],
    ['privileged', 'did you mean `docker: {privileged: ...}`?'],
    ['extra_hosts', 'did you mean `docker: {extra_hosts: ...}`?'],
    ['pull_policy', 'did you mean `docker: {pull: ...}`?'],
    ['stop_grace_period', 'did you mean `stop: {grace: ...}`?'],
    ['devices', 'this is not supported: only `docker: {privileged: true}` gives devices'],
    ['links', 'this is not supported: services of one network find each other by their ids'],
    ['configs', 'this is not supported: mount the file under `mounts`'],
    ['extends', 'this is not supported: use `defaults`, an anchor, or `include`'],
    ['deploy', 'write `replicas`, `limits` and `restart` in the service itself'],
  ])('%s in a service', (word, note) => {
    expect(noteOf(`services: {web: {image: x, ${word}: x}}`)).toBe(note);
  });

  test.each([
    ['healthcheck: {test: x}', /^Setpoint calls this `ready`.*`docker: {healthcheck: ...}`$/],
    ['restart: no', /did you mean `never`\?/],
    ['docker: {volumes: []}', /did you mean `mounts` of the service\?/],
    ['docker: {working_dir: /x}', /did you mean `cwd` of the service\?/],
    ['docker: {env: {}}', /`env` stands in the service itself/],
    ['docker: {network: x}', /did you mean `networks`\?/],
    ['docker: {pull: IfNotPresent}', /did you mean `missing`\?/],
    ['build: {cache_from: [x]}', /not supported: the engine keeps its own cache/],
    ['build: {file: x}', /did you mean `dockerfile`\?/],
    ['mounts: [{src: ./x, target: /x}]', /did you mean `source`\?/],
    ['mounts: [{source: ., target: /x, bind: {}}]', /options are not supported/],
    ['ports: {a: {target: 80, app_protocol: http}}', /leave it out/],
    ['secrets: [{source: a, uid: 5}]', /not supported: the file belongs to the user of the service/],
    ['nix: {url: x}', /did you mean `flake`\?/],
    ['backend: container', /did you mean `docker`\?/],
    ['backend_order: [podman]', /did you mean `docker`\?/],
    ['ready: {healthchek: true}', /did you mean `healthcheck`\?/],
  ])('%s', (body, note) => {
    expect(noteOf(`services: {web: {image: x, ${body}}}`)).toMatch(note);
  });

  test.each([
    ['version: "3"', 'a manifest has no version; remove it'],
    ['configs: {}', 'this is not supported: mount the file under `mounts` of a service'],
    ['processes: {}', 'did you mean `services`?'],
    ['volumes: {a: {driver_config: {}}}', 'this is not supported: use `driver_opts`'],
    ['networks: {a: {attachable: true}}', 'this is not supported: it is for swarms'],
    ['secrets: {a: {environment: X}}', 'did you mean `env`?'],
  ])('%s at the top', (top, note) => {
    expect(noteOf(`services: {}\n${top}\n`)).toBe(note);
  });
});
