select queue_id, max_concurrent(entered_time, end_time) as at_once
from leg
where site_id = '00000001-0000-4000-8000-000000000006'
group by queue_id
