/** A part of the screen, its frame included, in columns and rows counted from 0. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface ScreenLayout {
  /** Undefined where there is no room for it. */
  readonly services: Rect | undefined;
  readonly reason: Rect | undefined;
  readonly main: Rect | undefined;
}

export interface LayoutInput {
  readonly columns: number;
  readonly rows: number;
  /** Lines of the list of services. */
  readonly listed: number;
  readonly zoom: 'services' | 'main' | undefined;
}

export const LEAST_COLUMNS = 30;
export const LEAST_ROWS = 8;
/** From this width on the panes stand side by side. */
const SIDE_BY_SIDE = 100;
const REASON_ROWS = 6;

/** Where the panes are; the first row of the screen is the header's, the last one the footer's. */
export function layout({ columns, rows, listed, zoom }: LayoutInput): ScreenLayout {
  const none: ScreenLayout = { services: undefined, reason: undefined, main: undefined };
  if (columns < LEAST_COLUMNS || rows < LEAST_ROWS) return none;
  const body = { x: 0, y: 1, width: columns, height: rows - 2 };
  if (zoom === 'services') return { ...none, services: body };
  if (zoom === 'main') return { ...none, main: body };
  if (columns >= SIDE_BY_SIDE) {
    const left = Math.min(96, Math.max(50, Math.floor(columns * 0.5)));
    const reason = body.height >= 16 ? REASON_ROWS : 0;
    return {
      services: { ...body, width: left, height: body.height - reason },
      reason: reason === 0 ? undefined : { x: 0, y: 1 + body.height - reason, width: left, height: reason },
      main: { ...body, x: left, width: columns - left },
    };
  }
  const top = Math.max(3, Math.min(listed + 2, Math.floor(body.height * 0.45)));
  return {
    services: { ...body, height: top },
    reason: undefined,
    main: { ...body, y: 1 + top, height: body.height - top },
  };
}
