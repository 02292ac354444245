const BELOW_HOME = { STATE: '.local/state', CACHE: '.cache', CONFIG: '.config' } as const;

/**
 * The folder that programs keep files of one kind in (XDG Base Directory Specification: a variable that holds no absolute
 * path is ignored). Undefined where `home` is needed and is no absolute path.
 */
export function xdgFolder(
  kind: keyof typeof BELOW_HOME,
  env: Readonly<Record<string, string | undefined>>,
  home: string | undefined,
): string | undefined {
  const given = env[`XDG_${kind}_HOME`];
  if (given?.startsWith('/') === true) return given;
  return home?.startsWith('/') === true ? `${home.replace(/\/+$/, '')}/${BELOW_HOME[kind]}` : undefined;
}
