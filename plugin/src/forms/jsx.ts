// What elements are made by in the bundles: as constants of their own they are called by a single letter each, which
// saves some thousand bytes that everyone loads.

import * as React from 'react';

export const createElement = React.createElement;
export const Fragment = React.Fragment;
