import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dialectOf } from '../../../src/manifest/backends/dialects.ts';
import { parsePort, portsIn } from '../../../src/manifest/keys/port-forms.ts';
import type { HonouredPort } from '../../../src/manifest/keys/port-forms.ts';
import { load, toldBy } from '../memory-io.ts';

type Backend = 'native' | 'nix' | 'docker';

/** What a backend makes of a text, in short: `8080>80`, `auto>80 at 127.0.0.1`, `-> 80` of one that is not published. */
function madeOf(text: string, as: 'named' | 'listed', backend: Backend, mode?: string): string[] | string {
  const parsed = parsePort(text, as);
  if (!parsed.ok) return `${parsed.error.code}: ${parsed.error.message}`;
  const made: string[] = [];
  for (const form of portsIn(parsed.value)) {
    const honoured = dialectOf(backend).honourPort(form, mode);
    if (!honoured.ok) return `${honoured.error.code}: ${honoured.error.message}`;
    made.push(shown(honoured.value));
  }
  return made;
}

function shown({ port, container, hostIp, protocol, published }: HonouredPort): string {
  const inside = container === undefined ? '' : `>${container}`;
  const at = hostIp === undefined ? '' : ` at ${hostIp}`;
  const how = protocol === 'udp' ? ' udp' : '';
  return `${port ?? ''}${inside}${at}${how}${published || container === undefined ? '' : ' unpublished'}`;
}

describe('a port of a container', () => {
  test.each([
    ['8080', ['8080>8080']],
    ['8080:80', ['8080>80']],
    ['auto:80', ['auto>80']],
    [':80', ['auto>80']],
    ['127.0.0.1:8080:80', ['8080>80 at 127.0.0.1']],
    ['127.0.0.1:auto:80', ['auto>80 at 127.0.0.1']],
    ['127.0.0.1::80', ['auto>80 at 127.0.0.1']],
    ['[::1]:8080:80', ['8080>80 at ::1']],
    ['53:53/udp', ['53>53 udp']],
    ['80/TCP', ['80>80']],
    ['auto', 'unsupported-port-form: does not say on which port the container listens'],
    ['8080-8081:80-81', 'bad-port: is a range under one name'],
  ])('under a name: %s', (text, expected) => {
    expect(madeOf(text, 'named', 'docker')).toEqual(expected);
  });

  test.each([
    ['80', ['auto>80']],
    ['8080:80', ['8080>80']],
    ['3000-3002', ['auto>3000', 'auto>3001', 'auto>3002']],
    ['9090-9091:8080-8081', ['9090>8080', '9091>8081']],
    ['127.0.0.1:5000-5001:5000-5001', ['5000>5000 at 127.0.0.1', '5001>5001 at 127.0.0.1']],
    ['auto:80-81', ['auto>80', 'auto>81']],
    ['6060:6060/udp', ['6060>6060 udp']],
    ['8000-8010:80', 'bad-port: has ranges of different lengths'],
    ['auto', 'bad-port: is not a port'],
    ['127.0.0.1:80', 'bad-port: has an address and one port'],
    ['[::1]:80', 'bad-port: has an address and one port'],
    ['localhost:80:80', 'bad-port: names an address that is none'],
    ['80/sctp', 'bad-port: uses `sctp`'],
    ['0', 'bad-port: is not a port'],
    ['65536:80', 'bad-port: is not a port'],
    ['81-80', 'bad-port: is not a port'],
    ['1-65535', 'bad-port: is not a port'],
    ['1:2:3:4', 'bad-port: names an address that is none'],
    ['', 'bad-port: is not a port'],
  ])('in a list: %s', (text, expected) => {
    expect(madeOf(text, 'listed', 'docker')).toEqual(expected);
  });

  test.each([
    ['host', '8080', ['8080>8080 unpublished']],
    [
      'host',
      '8080:80',
      'unsupported-port-form: cannot be mapped: with `network_mode: host` the container listens on the machine itself',
    ],
    ['bridge', '8080:80', ['8080>80']],
    ['none', '8080:80', 'unsupported-port-form: cannot be published with `network_mode: none`'],
    ['service:vpn', '8080:80', 'unsupported-port-form: cannot be published with `network_mode: service:vpn`'],
  ])('with network_mode %s: %s', (mode, text, expected) => {
    expect(madeOf(text, 'named', 'docker', mode)).toEqual(expected);
  });
});

describe('a port of a process of the machine', () => {
  test.each(['native', 'nix'] as const)('on %s', (backend) => {
    expect(madeOf('auto', 'named', backend)).toEqual(['auto']);
    expect(madeOf('8080', 'listed', backend)).toEqual(['8080']);
    expect(madeOf('8080:8080', 'listed', backend)).toEqual(['8080']);
    for (const [text, why] of [
      ['8080:80', `maps one port to another, which the ${backend} backend cannot do`],
      ['auto:80', `maps one port to another, which the ${backend} backend cannot do`],
      [
        '127.0.0.1:80:80',
        `names an address, but on the ${backend} backend the service itself chooses where it listens`,
      ],
      ['53/udp', `uses udp, but the ${backend} backend only looks after TCP ports`],
      ['80-81', `is a range, which the ${backend} backend does not know`],
    ] as const) {
      expect(madeOf(text, 'listed', backend)).toBe(`unsupported-port-form: ${why}`);
    }
  });
});

test('reading a port never throws, and yields at most a thousand', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9:[\]./a-z-]{0,24}$/));
  fc.assert(
    fc.property(text, fc.constantFrom('named', 'listed'), (written, as) => {
      const parsed = parsePort(written, as);
      if (!parsed.ok) return;
      const forms = [...portsIn(parsed.value)];
      expect(forms.length).toBeLessThanOrEqual(1_000);
      for (const form of forms) {
        if (form.kind === 'number') expect(form.target).toBeGreaterThan(0);
        dialectOf('docker').honourPort(form, undefined);
        dialectOf('native').honourPort(form, undefined);
      }
    }),
  );
});

describe('ports of a whole service', () => {
  const box = (body: string, more = '') => `services:\n  box:\n    image: x\n    ${body}\n${more}`;
  const portsOf = (body: string) => {
    const { project, diagnostics } = load(box(body));
    expect(diagnostics).toEqual([]);
    const launch = project?.services[0]?.launch;
    return { published: launch?.ports, inside: launch?.container?.ports };
  };

  test('published ones are given numbers, the container has its own', () => {
    expect(portsOf('ports: {http: "8080:80", db: auto:5432, own: {target: 9, published: false}}')).toEqual({
      published: [
        { name: 'http', port: 8080 },
        { name: 'db', port: 'auto' },
      ],
      inside: [
        { name: 'http', container: 80, host: 8080, protocol: 'tcp' },
        { name: 'db', container: 5432, host: 'auto', protocol: 'tcp' },
        { name: 'own', container: 9, protocol: 'tcp' },
      ],
    });
  });

  test('listed ones are named by what they are inside', () => {
    const list =
      'ports: [80, "8080:80", "53:53/udp", {target: 81, name: web, published: 81, host_ip: 127.0.0.1}, {target: 82}]';
    expect(portsOf(list)).toEqual({
      published: [
        { name: '80', port: 'auto' },
        { name: '80-2', port: 8080 },
        { name: '53-udp', port: 53, protocol: 'udp' },
        { name: 'web', port: 81 },
        { name: '82', port: 'auto' },
      ],
      inside: [
        { name: '80', container: 80, host: 'auto', protocol: 'tcp' },
        { name: '80-2', container: 80, host: 8080, protocol: 'tcp' },
        { name: '53-udp', container: 53, host: 53, protocol: 'udp' },
        { name: 'web', container: 81, host: 81, hostIp: '127.0.0.1', protocol: 'tcp' },
        { name: '82', container: 82, host: 'auto', protocol: 'tcp' },
      ],
    });
  });

  test('on the network of the machine nothing is published', () => {
    expect(portsOf('ports: {http: 8080}\n    docker: {network_mode: host}')).toEqual({
      published: [],
      inside: [{ name: 'http', container: 8080, protocol: 'tcp' }],
    });
  });

  test('a list and a map become one, as the list means it', () => {
    const { project, diagnostics } = load(
      `defaults: {ports: [80, "81:81", "9:82"]}\nservices: {box: {image: x, ports: {http: 8080}}}`,
    );
    expect(diagnostics).toEqual([]);
    expect(project?.services[0]?.launch.ports).toEqual([
      { name: '80', port: 'auto' },
      { name: '81', port: 81 },
      { name: '82', port: 9 },
      { name: 'http', port: 8080 },
    ]);
  });

  test.each([
    [
      'ports: {http: auto}',
      'error unsupported-port-form 4:19: `ports.http` in service `box` does not say on which port the container listens (write `auto:80`, with the port inside the container behind the colon)',
    ],
    [
      'ports: {http: "80000:80"}',
      'error bad-port 4:19: `ports.http` in service `box` is not a port (expected a port from 1 to 65535, such as 8080 or `8080:80`)',
    ],
    [
      'ports: {http: 70000}',
      'error bad-port 4:19: `70000` is not valid for `ports.http` in service `box` (expected a port from 1 to 65535, or `auto`; of a container also `8080:80` or `auto:80`)',
    ],
    [
      'ports: {http: "1.2.3:80:80"}',
      'error bad-port 4:19: `ports.http` in service `box` names an address that is none (expected a port from 1 to 65535, such as 8080 or `8080:80`)',
    ],
    [
      'ports: {http: {published: 80}}',
      'error missing-key 4:19: `target` is missing in `ports.http` of service `box` (expected a port from 1 to 65535, or `auto`; of a container also `8080:80` or `auto:80`)',
    ],
    [
      'ports: [{target: 80, mode: host}]',
      'error unknown-key 4:26: unknown key `mode` in item 1 of `ports` of service `box` (leave it out: a port is published on this machine)',
    ],
    [
      'ports: [{target: 80, published: true}]',
      'error bad-port 4:37: `true` is not valid for `published` of item 1 of `ports` in service `box` (expected a port from 1 to 65535, `auto` or `false`)',
    ],
    [
      'ports: [{target: 80, host_ip: here}]',
      'error bad-address 4:35: `host_ip` is not an address (expected one such as 127.0.0.1)',
    ],
    [
      'ports: {a: {target: 80, published: false, host_ip: 127.0.0.1}}',
      'error conflicting-keys 4:56: `host_ip` of a port that is not published means nothing',
    ],
    [
      'ports: {a: {target: 80, name: b}}',
      'error conflicting-keys 4:35: this port has a name already (`name` is for ports in a list)',
    ],
    [
      'ports: {a: "${services.box.ports.a}"}',
      'error late-reference 4:16: this value must be known before anything starts (holds what is known only when an instance starts) [automatic ports, hosts and instance numbers can be used in commands, probes, `env`, `env_append` and `socket`]',
    ],
    [
      'ports: {a: {target: 80, published: false}}\n    backend: native\n    command: x',
      'error unsupported-port-form 4:16: `ports.a` in service `box` is not published, which the native backend cannot do: what a process listens on is there',
    ],
  ])('%s', (body, expected) => {
    expect(toldBy(load(box(body)).diagnostics)).toContain(expected);
  });

  test('two services may take one number at two addresses, or once for each protocol', () => {
    const two = (a: string, b: string) =>
      toldBy(
        load(`services:\n  a: {image: x, ports: {p: "${a}"}}\n  b: {image: x, ports: {p: "${b}"}}\n`)
          .diagnostics,
      );
    expect(two('127.0.0.1:80:80', '127.0.0.2:80:80')).toEqual([]);
    expect(two('53:53', '53:53/udp')).toEqual([]);
    const conflict = 'error port-conflict 3:28: port `p` of `b` and port `p` of `a` both take 80 (takes 80)';
    expect(two('127.0.0.1:80:80', '80:80')).toEqual([conflict]);
    expect(two('0.0.0.0:80:80', '127.0.0.1:80:80')).toEqual([conflict]);
    expect(two('80:80/udp', '80:81/udp')).toEqual([conflict]);
  });

  test('instances on the network of the machine cannot share a port', () => {
    const text = 'services: {a: {image: x, ports: {p: 80}, replicas: 2, docker: {network_mode: host}}}';
    expect(toldBy(load(text).diagnostics)).toEqual([
      'error port-conflict 1:37: the 2 instances of `a` all take 80 (with `network_mode: host` each listens on the machine itself)',
    ]);
  });
});
