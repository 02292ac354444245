import type { ProjectLocation } from '../store/locate.ts';

/** The name of the hidden command under which a daemon is started; its one argument is the location, as JSON. */
export const DAEMON_COMMAND = '__daemon';

export function daemonArguments(location: ProjectLocation): readonly string[] {
  return [DAEMON_COMMAND, JSON.stringify(location)];
}
