/** Why something asked of the daemon did not happen. */
export class ClientError extends Error {
  /**
   * A stable kebab-case name: one of the daemon's (`unknown-service`, ...), or `daemon-gone`, `daemon-silent`,
   * `closed`, `bad-answer`, `socket-refused`, or one of those that `ensureDaemon` lists.
   */
  readonly code: string;
  /** What to do about it. */
  readonly help?: string;
  /** The HTTP status, where the daemon has answered. */
  readonly status?: number;

  constructor(
    code: string,
    message: string,
    more: { readonly help?: string; readonly status?: number } = {},
  ) {
    super(message);
    this.name = 'ClientError';
    this.code = code;
    if (more.help !== undefined) this.help = more.help;
    if (more.status !== undefined) this.status = more.status;
  }
}

export function daemonGone(): ClientError {
  return new ClientError('daemon-gone', 'the daemon ended the connection', {
    help: 'services go on running without it; `setpoint up` brings it back',
  });
}
