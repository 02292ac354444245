import type { Location } from './services.ts';

/** The name of the hidden command under which a daemon is started; its one argument is the location, as JSON. */
export const DAEMON_COMMAND = '__daemon';

export function daemonArguments(location: Location): readonly string[] {
  return [DAEMON_COMMAND, JSON.stringify(location)];
}
