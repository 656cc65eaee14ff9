// Of `react-router-dom`, which NocoBase provides at run time, to both of its clients.

import type { MouseEvent, ReactElement, ReactNode } from 'react';

interface LinkProps {
  to: string;
  target?: '_blank';
  onClick?: (event: MouseEvent) => void;
  children: ReactNode;
}

export function Link(props: LinkProps): ReactElement;

export function useLocation(): { search: string };
