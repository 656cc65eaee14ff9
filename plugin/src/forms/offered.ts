// Which members of `sidehook` the form has fields for: those that the connected sidehook knows, and those that are set.

import { createContext, useContext } from 'react';
import type { Status } from '../server/status';
import type { Extensions } from './members';

const PREFIX = 'trigger.';

/** Whether a member is known to sidehook. Where sidehook cannot be asked, all of them are. */
export type IsKnown = (member: string) => boolean;

export function knownBy(status: Status | undefined): IsKnown {
  const known = status?.health?.features.filter((feature) => feature.startsWith(PREFIX)) ?? [];
  return (member) => !known.length || known.includes(PREFIX + member);
}

/** What is set is shown whoever knows it, so that nothing is hidden. */
export const isOffered = (isKnown: IsKnown, name: string, extensions: Extensions | null | undefined) =>
  isKnown(name) || extensions?.[name] != null;

export const KnownContext = createContext<IsKnown>(() => true);

export const useKnown = () => useContext(KnownContext);
