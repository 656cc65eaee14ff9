// The shapes of values in `sidehook`: what sidehook's `src/webhook/admission/members.rs` reads, it takes here. Each
// tells what is wrong by its path; a form translates it, so the texts stand in src/locale too.

/** Told the path of what cannot be used, and why. */
export type Tell = (path: string, fault: string) => void;
/** `sidehook` is all of it, for members that go by others. */
export type Shape = (value: unknown, path: string, tell: Tell, sidehook?: Record<string, unknown>) => void;

export const FAULTS = {
  object: 'This has to be an object.',
  list: 'This has to be a list.',
  empty: 'This list has to have something in it.',
  unknown: 'This is not known here.',
  missing: 'This is missing.',
  beside: 'This cannot stand beside the others.',
  text: 'This has to be a text that is not empty.',
  choice: 'This is none of the choices.',
  number: 'This has to be a whole number, neither too small nor too large.',
  flag: 'This has to be true or false.',
  duration: 'Write a time such as 30s, 5m or 24h, neither 0 nor too long.',
  size: 'Write a size such as 512kb or 10mb.',
  secret: 'A secret is a text that is not empty, or a single variable and nothing else.',
  header: 'This has to be the name of a header.',
  url: 'Write a URL that begins with https://.',
  address: 'Write an address such as 203.0.113.7, or a range such as 10.0.0.0/8.',
  origin: 'Write an origin such as https://shop.example, without a path.',
  algorithm: 'HS256, HS384 and HS512 go with a secret, the others with public keys.',
  place: 'Write header:<name>, query:<path>, body:<path> or body.',
  condition: 'This has to be a condition: a comparison, or a group of at least one, with 100 at most.',
  source:
    'This needs a signature by the scheme of the same name, or an object with what the sender is known by.',
  signed: 'What is signed has to have the body, and the time where a header has it.',
} as const;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A shape of values for which a test holds. */
export function which(fault: string, holds: (value: unknown) => boolean): Shape {
  return (value, path, tell) => {
    if (!holds(value)) tell(path, fault);
  };
}

/** In seconds. */
export const DAY = 86_400;

const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';

export const text = which(FAULTS.text, isText);
export const flag = which(FAULTS.flag, (value) => typeof value === 'boolean');
export const duration = durationUpTo(Number.MAX_VALUE);
export const size = which(FAULTS.size, isSize);
export const secret = which(FAULTS.secret, isSecret);
export const header = which(FAULTS.header, (value) => typeof value === 'string' && isToken(value));
export const texts = oneOrMore(text);
export const secrets = oneOrMore(secret);

/** A time above 0, and of no more than so many seconds. */
export function durationUpTo(seconds: number): Shape {
  return which(FAULTS.duration, (value) => {
    const given = secondsOf(value);
    return given !== undefined && given > 0 && given <= seconds;
  });
}

export function choice(choices: readonly unknown[]): Shape {
  return which(FAULTS.choice, (value) => choices.includes(value));
}

export function number(least: number, most: number): Shape {
  return which(
    FAULTS.number,
    (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
  );
}

/** A list of at least one. */
export function list(shape: Shape): Shape {
  return (value, path, tell) => {
    if (!Array.isArray(value)) tell(path, FAULTS.list);
    else if (!value.length) tell(path, FAULTS.empty);
    else value.forEach((one, index) => shape(one, `${path}.${index}`, tell));
  };
}

/** One, or a list of at least one. */
export function oneOrMore(shape: Shape): Shape {
  return (value, path, tell) => (Array.isArray(value) ? list(shape) : shape)(value, path, tell);
}

/** One shape for objects and another one for everything else. */
export function objectOr(object: Shape, other: Shape): Shape {
  return (value, path, tell) => (isObject(value) ? object : other)(value, path, tell);
}

/** An object whose members are all known. Null is as good as no member. */
export function object(members: Record<string, Shape>, needed: string[] = []): Shape {
  return (value, path, tell) => {
    if (!isObject(value)) return tell(path, FAULTS.object);
    for (const [name, member] of Object.entries(value)) {
      if (!Object.hasOwn(members, name)) tell(`${path}.${name}`, FAULTS.unknown);
      else if (member != null) members[name]!(member, `${path}.${name}`, tell);
    }
    for (const name of needed) if (value[name] == null) tell(`${path}.${name}`, FAULTS.missing);
  };
}

/** `30s`, `5m`, or a number of seconds; undefined for what is no time. */
function secondsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  const match = typeof value === 'string' ? /^(\d+\.?\d*|\.\d+) *(ms|s|m|h|d)?$/.exec(value.trim()) : null;
  const unit = { ms: 0.001, s: 1, m: 60, h: 3600, d: DAY }[match?.[2] ?? 's'];
  return match ? Number(match[1]) * unit! : undefined;
}

function isSize(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && value > 0;
  const match = typeof value === 'string' ? /^(\d+\.?\d*|\.\d+) *(?:b|kb|mb|gb)?$/i.exec(value.trim()) : null;
  return match !== null && Number(match[1]) > 0;
}

/** A text, or the name of a variable that holds it. */
function isSecret(value: unknown): boolean {
  if (typeof value !== 'string' || !value) return false;
  return !/\{\{[^{}]+\}\}/.test(value) || /^\s*\{\{\s*\$env\.\w+\s*\}\}\s*$/.test(value);
}

function isToken(text: string): boolean {
  return /^[\w!#$%&'*+\-.^`|~]+$/.test(text);
}
