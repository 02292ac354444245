import type { ConcreteLaunch } from '../../core/launch.ts';

/** A key of the manifest that a container cannot honour. */
export interface UnsupportedSetting {
  readonly key: string;
  readonly why: string;
}

/** What of a launch a container cannot honour: to be refused, never left out without a word. */
export function unsupportedByDocker(launch: ConcreteLaunch): readonly UnsupportedSetting[] {
  const { container } = launch;
  const found: UnsupportedSetting[] = [];
  const refuse = (key: string, why: string): void => void found.push({ key, why });
  if (launch.umask !== undefined) refuse('umask', 'the engine has no setting for it; set it in the command');
  if (launch.socket !== undefined) refuse('socket', 'it is a path of the host; mount its folder instead');
  if (launch.notify !== undefined)
    refuse('notify', 'its socket is not there inside; use another kind of probe');
  if (launch.nice !== undefined) refuse('nice', 'the engine has no setting for it; use `limits.cpus`');
  if (launch.sandbox !== undefined)
    refuse('sandbox', 'a container is one; see `cap_drop`, `read_only`, `networks`');
  if (launch.limits.address_space !== undefined) {
    refuse('limits.address_space', 'the engine has no setting for it; use `limits.memory`');
  }
  const { user } = launch;
  const isRoot = user === undefined || /^(root|0)(:|$)/.test(user);
  if (!isRoot && (launch.declaredEnv['HOME'] ?? '') === '') {
    const why = `where the home of user ${user} is inside is not known; declare HOME in \`env\``;
    if (container?.netrc !== undefined) refuse('docker.netrc', why);
    if (container?.gitconfig !== undefined) refuse('docker.gitconfig', why);
  }
  if (container?.networkMode !== undefined && container.networks.length > 0) {
    refuse('docker.networks', 'there is a `network_mode` beside it, and only one of the two can hold');
  }
  const mode = container?.networkMode;
  if (mode !== undefined && /^(container|service):/.test(mode) && container?.extraHosts.length !== 0) {
    refuse('docker.extra_hosts', `with the network mode ${mode} the hosts are those of the other container`);
  }
  const published = container?.ports.some((port) => port.host !== undefined) === true;
  if (published && mode !== undefined && /^(host|none|container:|service:)/.test(mode)) {
    refuse('ports', `with the network mode ${mode} nothing can be published`);
  }
  return found;
}
