select queue_id, max(running) as at_once
from (select queue_id, sum(step) over (partition by queue_id order by ts, step
                                       rows between unbounded preceding and current row) as running
      from (select queue_id, entered_time as ts, 1 as step from leg where site_id = '00000001-0000-4000-8000-000000000006'
            union all
            select queue_id, end_time as ts, -1 as step from leg where site_id = '00000001-0000-4000-8000-000000000006') steps) running_sums
group by queue_id
