select *
from leg
where site_id = '00000001-0000-4000-8000-000000000006'
order by entered_time desc, leg_id desc
limit 100
