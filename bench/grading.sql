-- The bare grading of the example ladder as of :as_of: what has to be read to know everybody's class, and what has to be
-- written when it changes, as one would by hand for these rules, this data and this moment alone.

SET LOCAL work_mem = '64MB';

CREATE TEMPORARY TABLE graded AS
SELECT
    customer_id,
    class_key AS from_class,
    CASE
        WHEN net >= 2000000 AND first_sale_date <= CAST(:as_of AS date) - 90 THEN 'DIAMOND'
        WHEN net >= 500000 THEN 'GOLD'
        WHEN net >= 200000 THEN 'SILVER'
        WHEN net >= 50000 THEN 'REGULAR'
        ELSE 'NEW'
    END AS to_class
FROM spenders
JOIN (
    SELECT customer_id, sum(sales - refunds)::bigint AS net FROM spend_days WHERE business_date <= :as_of GROUP BY customer_id
) AS spent USING (customer_id)
LEFT JOIN (SELECT customer_id, class_key FROM members WHERE scheme = 'loyalty') AS held USING (customer_id)
WHERE first_sale_date <= :as_of;

INSERT INTO movements
SELECT 'loyalty', customer_id, :effective_time, :record_time, :run, from_class, to_class, 'EVALUATION'
FROM graded
WHERE from_class IS DISTINCT FROM to_class;

UPDATE members
SET class_key = to_class, since_time = :effective_time, record_time = :record_time, evaluation_id = :run
FROM graded
WHERE scheme = 'loyalty' AND members.customer_id = graded.customer_id AND from_class IS DISTINCT FROM to_class;
