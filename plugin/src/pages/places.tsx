// Where the pages are to which others lead. Both clients have them, at different places.

import { createContext, useContext } from 'react';
import { Link } from 'react-router-dom';

export interface Places {
  /** The beginning of the paths of canvases and executions. */
  workflow: string;
}

/** The request log, in both clients. */
export const REQUESTS = '/admin/settings/sidehook/requests';

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
