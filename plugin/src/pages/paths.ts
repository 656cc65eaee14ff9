// What is written in the URLs of pages, in both clients.

/** The request log. */
export const REQUESTS = '/admin/settings/sidehook/requests';

/** The parameter of a canvas that names a request, for its trigger's form. */
export const SAMPLE = 'sample';
