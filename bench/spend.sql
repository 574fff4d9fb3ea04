-- What tiering's consumer would have summed up of :customers customers and ten times as many purchases, each on a day of
-- its own within three years up to 2025-12-28, one in ten partly given back, written in the order of time as it comes.
-- How much a customer spends grows with the fourth power of chance, so that every class of the example ladder has some.

-- An index that grows row by row would take longer than all that is measured.
ALTER TABLE spend_days DROP CONSTRAINT pk_spend_days;

CREATE TEMPORARY TABLE buyers AS
SELECT
    number,
    overlay(lpad(to_hex(1670000000000 + number * 77), 12, '0') placing '-' from 9 for 0)
        || '-7' || substr(noise, 1, 3) || '-8' || substr(noise, 4, 3) || '-' || substr(noise, 7, 12) AS customer_id,
    number * 7919 % 100 AS shift,
    (500 + 300000 * power(number * 7919 % 10007 / 10007.0, 4))::bigint AS usual
FROM (SELECT number, md5(number::text) AS noise FROM generate_series(1, CAST(:customers AS bigint)) AS number) AS numbers;

-- The offset keeps what one customer bought from standing together.
INSERT INTO spend_days
SELECT
    customer_id,
    date '2023-01-01' + (purchase * 109 + shift)::int,
    'SALE',
    usual + number * (purchase + 1) * 31 % 1000,
    usual / 4,
    1,
    CASE WHEN (number + purchase) % 10 = 0 THEN 400 ELSE 0 END,
    CASE WHEN (number + purchase) % 10 = 0 THEN 100 ELSE 0 END,
    CASE WHEN (number + purchase) % 10 = 0 THEN 400 ELSE 0 END,
    CASE WHEN (number + purchase) % 10 = 0 THEN 100 ELSE 0 END
FROM generate_series(0, 9) AS purchase CROSS JOIN LATERAL (SELECT * FROM buyers OFFSET 0) AS buyers;

ALTER TABLE spend_days ADD CONSTRAINT pk_spend_days PRIMARY KEY (customer_id, business_date, kind);

INSERT INTO spenders
SELECT customer_id, first_day, first_day, extract(epoch FROM first_day)::bigint * 1000000 + number
FROM (SELECT number, customer_id, date '2023-01-01' + shift::int AS first_day FROM buyers) AS began;

INSERT INTO movements
SELECT 'loyalty', customer_id, first_sale_time, first_sale_time + 1000000, '', NULL, 'NEW', 'FIRST_PURCHASE'
FROM spenders;

INSERT INTO members
SELECT 'loyalty', customer_id, 'NEW', first_sale_time, first_sale_time + 1000000, '', first_sale_time, first_sale_time + 1000000
FROM spenders;
