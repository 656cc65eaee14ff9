// Members of `sidehook` and of its objects: how one is changed while all others stay.

import { keyNames, SCHEMES } from '../server/schemes';

export type Extensions = Record<string, unknown>;

/** The ways of `sidehook.auth`, and the keys of a JWT. */
export const KINDS = ['header', 'query', 'bearer', 'jwt'] as const;
export const KEYS = ['secret', 'publicKey', 'jwks'] as const;
export type Kind = (typeof KINDS)[number];

export const kindOf = (value: Extensions | undefined) => KINDS.find((kind) => value && kind in value);

/** Without any members there is no object either. */
export function withMember(
  value: Extensions | null | undefined,
  name: string,
  member: unknown,
): Extensions | undefined {
  const { [name]: _, ...rest } = value ?? {};
  const changed = member === undefined ? rest : { ...value, [name]: member };
  return Object.keys(changed).length ? changed : undefined;
}

/** A signature of another scheme: its secrets stay where they are of the same kind, and its tolerance. */
export function withScheme(
  value: Extensions | undefined,
  scheme: string | undefined,
): Extensions | undefined {
  if (!scheme) return;
  const kept: string[] = [...keyNames(scheme), ...SCHEMES[scheme]!];
  const members = Object.entries(value ?? {}).filter(([name]) => kept.includes(name));
  return { scheme, ...Object.fromEntries(members) };
}

/** A signature by other secrets: one under the name for one, several under that for several. */
export function withKeys(value: Extensions, keys: string | string[] | undefined): Extensions | undefined {
  const [one, several] = keyNames(value.scheme as string);
  const { [one!]: _, [several!]: __, ...rest } = value;
  return withMember(rest, (Array.isArray(keys) ? several : one)!, keys);
}

/** A key or token of another kind, with the secret that was there. */
export function withKind(value: Extensions | undefined, kind: Kind | undefined): Extensions | undefined {
  if (!kind) return;
  const secret = value?.value ?? value?.bearer ?? '';
  if (kind === 'jwt') return { jwt: {} };
  return kind === 'bearer'
    ? { bearer: secret }
    : { [kind]: kind === 'header' ? 'X-Api-Key' : 'key', value: secret };
}
