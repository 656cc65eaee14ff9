// What stands above a part of a page.

import { Typography } from 'antd';

export function Heading({ children }: { children: string }) {
  return (
    <Typography.Title level={5} style={{ margin: 0 }}>
      {children}
    </Typography.Title>
  );
}
