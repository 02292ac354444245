import type { ContainerCreateOptions } from './dockerode.ts';
import type { StartFailure } from '../../core/exit.ts';
import type { EngineFailure } from './engine-client.ts';
import { startFailureOf } from './engine-client.ts';

/**
 * What the engine says when it refuses to make or start a container, told apart. It has one status for most of it, so the
 * words decide; those of Docker 20.10 to 28 are known here, and what is not recognised is passed on as it is.
 */
export function explainRefusal(failure: EngineFailure, definition: ContainerCreateOptions): StartFailure {
  if (failure.kind !== 'refused') return startFailureOf(failure, 'the container could not be started');
  const { status } = failure;
  const reason = clean(failure.reason);
  if (/bind source path does not exist|error while creating mount source path/i.test(reason)) {
    return {
      code: 'mount-missing',
      message: `a mount's source is not there: ${reason}`,
      help: 'create it, or correct the path',
    };
  }
  if (/port is already allocated|address already in use|ports are not available/i.test(reason)) {
    return {
      code: 'port-taken',
      message: `a port is taken: ${reason}`,
      help: 'stop what has it, or choose another',
    };
  }
  if (status === 404 && /no such image/i.test(reason)) {
    return { code: 'image-missing', message: `the image ${definition.Image ?? ''} is not on the engine` };
  }
  const host = /^container:(.+)$/.exec(definition.HostConfig?.NetworkMode ?? '')?.[1];
  if (host !== undefined && /no such container|join network of a non running container/i.test(reason)) {
    return {
      code: 'other',
      message: `the container ${host}, whose network it is to share, does not run`,
      help: 'name its service under `depends_on`, so that it is started first',
    };
  }
  if (
    /executable file not found|no such file or directory.*(exec|init)|exec:.*no such file or directory|stat .*: no such file or directory/i.test(
      reason,
    )
  ) {
    return { code: 'missing-program', message: `there is no such program in the image: ${reason}` };
  }
  if (/permission denied/i.test(reason) && /exec|init|runtime create failed/i.test(reason)) {
    return { code: 'not-executable', message: `the program in the image cannot be executed: ${reason}` };
  }
  if (/unable to find (user|group)|no matching entries in passwd/i.test(reason)) {
    return { code: 'user-unavailable', message: `the image does not know that user: ${reason}` };
  }
  if (/minimum memory limit|range of cpus|setting rlimit|invalid.*(memory|ulimit|pids)/i.test(reason)) {
    return { code: 'limit-refused', message: `a limit is refused: ${reason}` };
  }
  if (/no space left on device|cannot allocate memory|resource temporarily unavailable/i.test(reason)) {
    return { code: 'resource-shortage', message: `the engine is short of a resource: ${reason}` };
  }
  return { code: 'other', message: `the container could not be started: ${reason}` };
}

/** As one bounded line without the layers of programs it came through. */
function clean(reason: string): string {
  return reason
    .replace(/\s+/g, ' ')
    .replace(/^.*?OCI runtime create failed: (?:runc create failed: )?/, '')
    .replace(/^.*?unable to start container process: /, '')
    .replace(/: unknown$/, '')
    .slice(0, 500);
}
