// Requests and times of the last hour, as a chart.

import { Space, Typography } from 'antd';
import dayjs from 'dayjs';
import { type Translate, useT } from '../forms/locale';
import type { Health, Minute } from '../server/health';
import { type Chart, chartOf, MINUTES, type Part, PARTS, totals } from './chart';

const COLOURS: Record<Part, string> = { accepted: '#52c41a', refused: '#faad14', failed: '#ff4d4f' };
const OF_TIME = '#1677ff';
const [WIDTH, HEIGHT, LINE_HEIGHT, GAP] = [10, 80, 40, 14];

export function Hour({ health: { hour } }: { health: Health }) {
  const t = useT();
  const chart = chartOf(hour, Date.now());
  if (!chart) return <Typography.Text type="secondary">{t('There were none.')}</Typography.Text>;
  const sums = totals(hour);
  return (
    <div className="sidehook-hour">
      <Space wrap size={16}>
        {PARTS.map((part) => (
          <Mark key={part} colour={COLOURS[part]}>{`${labels(t)[part]}: ${sums[part]}`}</Mark>
        ))}
        <Mark colour={OF_TIME}>{t('Time until 95 % were answered')}</Mark>
      </Space>
      <Drawing chart={chart} />
      <div style={{ display: 'flex', justifyContent: 'space-between', opacity: 0.65 }}>
        {[chart.from, chart.to].map((at) => (
          <span key={at}>{dayjs(at).format('HH:mm')}</span>
        ))}
      </div>
    </div>
  );
}

function Mark({ colour, children }: { colour: string; children: string }) {
  return (
    <Space size={4}>
      <span style={{ display: 'inline-block', width: 10, height: 10, background: colour }} />
      {children}
    </Space>
  );
}

/** Requests above, times below. */
function Drawing({ chart }: { chart: Chart }) {
  const t = useT();
  const bottom = HEIGHT + GAP + LINE_HEIGHT;
  const height = (share: number) => share * HEIGHT;
  const points = chart.line.map(({ x, y }) => `${x * WIDTH},${bottom - y * LINE_HEIGHT}`);
  const edge = { stroke: 'currentColor', strokeOpacity: 0.2, x1: 0, x2: MINUTES * WIDTH };
  return (
    <svg
      viewBox={`0 0 ${MINUTES * WIDTH} ${bottom + 2}`}
      style={{ display: 'block', width: '100%', marginTop: 8 }}
      role="img"
      aria-label={t('Requests of the last hour')}
    >
      <line {...edge} y1={HEIGHT} y2={HEIGHT} />
      <line {...edge} y1={bottom} y2={bottom} />
      {chart.bars.map(({ part, x, from, to, minute }) => (
        <rect
          key={`${x} ${part}`}
          x={x * WIDTH + 1}
          width={WIDTH - 2}
          y={HEIGHT - height(to)}
          height={height(to - from)}
          fill={COLOURS[part]}
        >
          <title>{titleOf(minute, t)}</title>
        </rect>
      ))}
      <polyline points={points.join(' ')} fill="none" stroke={OF_TIME} strokeWidth={2} />
      {chart.line.map(({ x, y }) => (
        <circle key={x} cx={x * WIDTH} cy={bottom - y * LINE_HEIGHT} r={2} fill={OF_TIME} />
      ))}
      <Scale y={8}>{String(chart.most)}</Scale>
      <Scale y={HEIGHT + 10}>{`${milliseconds(chart.longestMs)} ms`}</Scale>
    </svg>
  );
}

/** What the top of a part means. */
function Scale({ y, children }: { y: number; children: string }) {
  return (
    <text x={2} y={y} fontSize={8} fill="currentColor" fillOpacity={0.65}>
      {children}
    </text>
  );
}

function titleOf(minute: Minute, t: Translate): string {
  const counts = PARTS.map((part) => `${labels(t)[part]}: ${minute[part]}`);
  const times = [50, 95, 99].map((share) => {
    const ms = minute[`p${share as 50 | 95 | 99}Ms`];
    return ms === null ? [] : [`${share} %: ${milliseconds(ms)} ms`];
  });
  return [dayjs(minute.at).format('HH:mm'), ...counts, ...times.flat()].join('\n');
}

const milliseconds = (ms: number) => (ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms));

const labels = (t: Translate): Record<Part, string> => ({
  accepted: t('Accepted'),
  refused: t('Refused'),
  failed: t('Failed'),
});
