// Reads the request log and follows it: new requests come by themselves, and how the newest ones end.

import { useFlowEngine } from '@nocobase/flow-engine';
import { useCallback, useEffect, useRef, useState } from 'react';
import { anchorOf, type Entry, merged, MOST } from './entries';

const EVERY_MS = 3000;
const PAGE = 50;

/** What is asked for; see `sidehook:requests`. */
export interface Selection {
  workflow?: string | undefined;
  outcome?: string | undefined;
  from?: number | undefined;
  before?: number | undefined;
  text?: string | undefined;
}

export interface Followed {
  /** Undefined until the first answer; null where sidehook has no log in this database. */
  entries: Entry[] | null | undefined;
  /** Whether older ones may be there. */
  hasMore: boolean;
  more: () => void;
  /** Why the last look has failed. */
  fault: string | undefined;
}

export function useRequests(selection: Selection, isLive: boolean): Followed {
  const { api } = useFlowEngine().context;
  const [entries, setEntries] = useState<Entry[] | null>();
  const [hasMore, setHasMore] = useState(false);
  const [fault, setFault] = useState<string>();
  // What was asked for another selection comes too late.
  const asked = useRef<Selection>();
  const shown = useRef<Entry[]>([]);

  const look = useCallback(
    async (bounds: { above?: string; below?: string; limit: number }) => {
      const params = { ...selection, ...bounds };
      try {
        const { data } = await api.request({ url: 'sidehook:requests', params, skipNotify: true });
        if (asked.current !== selection) return;
        setFault(undefined);
        return data?.data as Entry[] | null;
      } catch (error) {
        if (asked.current === selection) setFault(error instanceof Error ? error.message : String(error));
        return;
      }
    },
    [api, selection],
  );
  const show = (changed: Entry[] | null) => {
    shown.current = changed ?? [];
    setEntries(changed);
  };

  useEffect(() => {
    asked.current = selection;
    const first = async () => {
      const found = await look({ limit: PAGE });
      if (found === undefined) return;
      show(found);
      setHasMore(found?.length === PAGE);
    };
    void first();
    return () => {
      asked.current = undefined;
    };
  }, [look, selection]);

  useEffect(() => {
    if (!isLive) return;
    let isBusy = false;
    const again = async () => {
      if (isBusy || document.hidden) return;
      isBusy = true;
      const above = anchorOf(shown.current);
      const found = await look({ ...(above ? { above } : {}), limit: MOST });
      if (found) show(merged(shown.current, above, found));
      isBusy = false;
    };
    const timer = setInterval(again, EVERY_MS);
    return () => clearInterval(timer);
  }, [isLive, look]);

  const more = async () => {
    const below = shown.current.at(-1)?.id;
    if (!below) return;
    const found = await look({ below, limit: PAGE });
    if (!found) return;
    // Meanwhile the list may have become another one.
    if (shown.current.at(-1)?.id === below) show([...shown.current, ...found]);
    setHasMore(found.length === PAGE);
  };
  return { entries, hasMore, more, fault };
}
