// Where the pages are to which others lead. Both clients have them, at different places.

import { createContext, useContext } from 'react';
import { Link } from 'react-router-dom';
import { SAMPLE } from './paths';

export interface Places {
  /** The beginning of the paths of canvases and executions. */
  workflow: string;
}

export const PlacesContext = createContext<Places>({ workflow: '/admin/workflow' });

/** Leads to an execution. */
export function ExecutionLink({ id }: { id: string | null }) {
  const { workflow } = useContext(PlacesContext);
  if (id === null) return null;
  return (
    <Link to={`${workflow}/executions/${id}`} onClick={(event) => event.stopPropagation()}>
      {id}
    </Link>
  );
}

/** Leads to the canvas of a workflow. */
export function WorkflowLink({ id, children }: { id: string | number; children: string }) {
  const { workflow } = useContext(PlacesContext);
  return <Link to={`${workflow}/workflows/${id}`}>{children}</Link>;
}

/** Leads to the canvas of a webhook, whose form is filled from a request. */
export function SampleLink({ workflow: id, request, children }: SampleLinkProps) {
  const { workflow } = useContext(PlacesContext);
  return <Link to={`${workflow}/workflows/${id}?${SAMPLE}=${request}`}>{children}</Link>;
}

interface SampleLinkProps {
  workflow: string;
  request: string;
  children: string;
}
